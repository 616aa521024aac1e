/*
 * backend.c
 *		The few symbols of the server that the router's core uses: memory contexts
 *		over malloc, so that a sanitizer sees every single allocation, and errors
 *		that come back to whoever asked for them.
 */
#include "postgres.h"

#include "backend.h"
#include "base/compat.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct TestContext TestContext;

typedef struct Block
{
	struct Block *previous;
	struct Block *next;
	TestContext *context;
	Size		size;
} Block;

struct TestContext
{
	Block		blocks;			/* head of a ring */
	TestContext *parent;
	TestContext *first_child;
	TestContext *next_sibling;
	Size		allocated;
};

volatile sig_atomic_t InterruptPending = false;
MemoryContext CurrentMemoryContext = NULL;
char		backend_message[1024];

static Size allocated;
static Size peak;
static jmp_buf *handler;
static int	error_code;

static TestContext *
new_context(TestContext *parent)
{
	TestContext *context = calloc(1, sizeof(TestContext));

	context->blocks.previous = context->blocks.next = &context->blocks;
	context->parent = parent;
	if (parent != NULL)
	{
		context->next_sibling = parent->first_child;
		parent->first_child = context;
	}
	return context;
}

void
backend_init(void)
{
	CurrentMemoryContext = (MemoryContext) new_context(NULL);
}

Size
backend_allocated(void)
{
	return allocated;
}

Size
backend_peak(void)
{
	return peak;
}

void
backend_reset_peak(void)
{
	peak = allocated;
}

static void
count_bytes(TestContext *context, Size before, Size after)
{
	allocated += after - before;
	context->allocated += after - before;
	peak = Max(peak, allocated);
}

static void *
allocate(MemoryContext context, Size size, Size limit, bool zero)
{
	TestContext *owner = (TestContext *) context;
	Block	   *block;

	if (size > limit)
		elog(ERROR, "invalid memory alloc request size %zu", size);
	block = zero ? calloc(1, sizeof(Block) + size) : malloc(sizeof(Block) + size);
	if (block == NULL)
		abort();
	*block = (Block) {&owner->blocks, owner->blocks.next, owner, size};
	block->next->previous = block;
	owner->blocks.next = block;
	count_bytes(owner, 0, size);
	return block + 1;
}

static void *
reallocate(void *pointer, Size size, Size limit)
{
	Block	   *block = (Block *) pointer - 1;
	Size		before = block->size;

	if (size > limit)
		elog(ERROR, "invalid memory alloc request size %zu", size);
	block = realloc(block, sizeof(Block) + size);
	if (block == NULL)
		abort();
	block->size = size;
	block->previous->next = block;
	block->next->previous = block;
	count_bytes(block->context, before, size);
	return block + 1;
}

void *
palloc(Size size)
{
	return allocate(CurrentMemoryContext, size, MaxAllocSize, false);
}

void *
palloc0(Size size)
{
	return allocate(CurrentMemoryContext, size, MaxAllocSize, true);
}

void *
palloc_extended(Size size, int flags)
{
	return allocate(CurrentMemoryContext, size, flags & MCXT_ALLOC_HUGE ? MaxAllocHugeSize : MaxAllocSize,
					(flags & MCXT_ALLOC_ZERO) != 0);
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return allocate(context, size, MaxAllocSize, true);
}

void *
repalloc(void *pointer, Size size)
{
	return reallocate(pointer, size, MaxAllocSize);
}

void *
repalloc_huge(void *pointer, Size size)
{
	return reallocate(pointer, size, MaxAllocHugeSize);
}

void
pfree(void *pointer)
{
	Block	   *block = (Block *) pointer - 1;

	block->previous->next = block->next;
	block->next->previous = block->previous;
	count_bytes(block->context, block->size, 0);
	free(block);
}

char *
pnstrdup(const char *in, Size length)
{
	char	   *copy;

	length = strnlen(in, length);
	copy = palloc(length + 1);
	memcpy(copy, in, length);
	copy[length] = '\0';
	return copy;
}

MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name, Size minContextSize, Size initBlockSize,
							  Size maxBlockSize)
{
	return (MemoryContext) new_context((TestContext *) parent);
}

void
MemoryContextDelete(MemoryContext context)
{
	TestContext *gone = (TestContext *) context;
	TestContext **link = &gone->parent->first_child;

	while (gone->first_child != NULL)
		MemoryContextDelete((MemoryContext) gone->first_child);
	while (gone->blocks.next != &gone->blocks)
		pfree(gone->blocks.next + 1);
	while (*link != gone)
		link = &(*link)->next_sibling;
	*link = gone->next_sibling;
	free(gone);
}

Size
MemoryContextMemAllocated(MemoryContext context, bool recurse)
{
	TestContext *one = (TestContext *) context;
	Size		sum = one->allocated;

	for (TestContext *child = one->first_child; recurse && child != NULL; child = child->next_sibling)
		sum += MemoryContextMemAllocated((MemoryContext) child, true);
	return sum;
}

void
ProcessInterrupts(void)
{
	InterruptPending = false;
	elog(ERROR, "canceling statement due to user request");
}

void
TW_EXCEPTIONAL_CONDITION(const char *condition, const char *file, int line)
{
	fprintf(stderr, "failed assertion %s, %s:%d\n", condition, file, line);
	abort();
}

void
pg_qsort(void *base, size_t count, size_t size, int (*compare) (const void *, const void *))
{
	qsort(base, count, size, compare);
}

/* Everything that raises an error, in whatever order ereport() calls it. */
bool
errstart(int level, const char *domain)
{
	error_code = ERRCODE_INTERNAL_ERROR;
	backend_message[0] = '\0';
	return level >= ERROR;
}

bool
errstart_cold(int level, const char *domain)
{
	return errstart(level, domain);
}

int
errcode(int code)
{
	error_code = code;
	return 0;
}

static int
add_message(const char *format, va_list arguments)
{
	Size		length = strlen(backend_message);

	vsnprintf(backend_message + length, sizeof(backend_message) - length, format, arguments);
	length = strlen(backend_message);
	if (length < sizeof(backend_message) - 1)
		strcpy(backend_message + length, "\n");
	return 0;
}

#define MESSAGE_FUNCTION(name) \
int \
name(const char *format, ...) \
{ \
	va_list		arguments; \
	int			result; \
	va_start(arguments, format); \
	result = add_message(format, arguments); \
	va_end(arguments); \
	return result; \
}

MESSAGE_FUNCTION(errmsg)
MESSAGE_FUNCTION(errmsg_internal)
MESSAGE_FUNCTION(errdetail)
MESSAGE_FUNCTION(errdetail_internal)
MESSAGE_FUNCTION(errhint)

void
errfinish(const char *file, int line, const char *function)
{
	if (handler != NULL)
		longjmp(*handler, 1);
	fprintf(stderr, "ERROR:  %s", backend_message);
	exit(1);
}

int
backend_try(void (*work) (void *arg), void *arg)
{
	jmp_buf		here;
	jmp_buf    *before = handler;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = (MemoryContext) new_context((TestContext *) caller);
	volatile int code = 0;

	handler = &here;
	CurrentMemoryContext = context;
	if (setjmp(here) == 0)
		work(arg);
	else
		code = error_code;
	handler = before;
	CurrentMemoryContext = caller;
	MemoryContextDelete(context);
	return code;
}
