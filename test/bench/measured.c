/*
 * measured.c
 *		measured FILE COMMAND...: runs COMMAND and writes to FILE its processor
 *		seconds, the seconds that passed, and its largest resident size in megabytes.
 *
 * It ends as the command did, so that a failure is not mistaken for a figure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
seconds(struct timeval time)
{
	return time.tv_sec + time.tv_usec / 1e6;
}

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	struct rusage usage;
	int			status;
	pid_t		child;
	FILE	   *file;
	double		began = now();

	if (argc < 3)
	{
		fprintf(stderr, "usage: measured FILE COMMAND...\n");
		return 64;
	}
	child = fork();
	if (child < 0)
	{
		perror("measured: fork");
		return 71;
	}
	if (child == 0)
	{
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	/* Its own figures: RUSAGE_CHILDREN would be those of the largest child there ever was. */
	if (wait4(child, &status, 0, &usage) != child)
	{
		perror("measured: wait4");
		return 71;
	}
	file = fopen(argv[1], "w");
	if (file == NULL ||
	/* ru_maxrss is in units of 1,024 bytes. */
		fprintf(file, "%.4f %.4f %.1f\n", seconds(usage.ru_utime) + seconds(usage.ru_stime), now() - began,
				usage.ru_maxrss * 1024 / 1e6) < 0 ||
		fclose(file) != 0)
	{
		perror(argv[1]);
		return 73;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
