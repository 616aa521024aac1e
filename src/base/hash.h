/*
 * hash.h
 *		Hashes and random numbers that are the same in every PostgreSQL version
 *		and on every machine.
 */
#ifndef TW_HASH_H
#define TW_HASH_H

#define TW_FNV_BASIS UINT64CONST(0xcbf29ce484222325)

/* One byte of FNV-1a with 64 bits (Fowler, Noll, Vo). */
static inline uint64
tw_fnv_byte(uint64 state, unsigned char byte)
{
	return (state ^ byte) * UINT64CONST(0x100000001b3);
}

static inline uint64
tw_fnv(uint64 state, const char *data, Size length)
{
	for (Size i = 0; i < length; i++)
		state = tw_fnv_byte(state, (unsigned char) data[i]);
	return state;
}

/* The 64-bit finaliser of MurmurHash3 (Appleby). */
static inline uint64
tw_finalise(uint64 key)
{
	key = (key ^ (key >> 33)) * UINT64CONST(0xff51afd7ed558ccd);
	key = (key ^ (key >> 33)) * UINT64CONST(0xc4ceb9fe1a85ec53);
	return key ^ (key >> 33);
}

/* The next number of xorshift64 (Marsaglia 2003); the state must not be 0. */
static inline uint64
tw_xorshift(uint64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A random number from 0 to `count` - 1; `count` is below 2^32. */
static inline uint32
tw_random_below(uint64 *state, uint32 count)
{
	return (uint32) (((tw_xorshift(state) >> 32) * count) >> 32);
}

static inline void
tw_shuffle(int *order, int count, uint64 *state)
{
	for (int i = count - 1; i > 0; i--)
	{
		int			j = (int) tw_random_below(state, i + 1);
		int			kept = order[i];

		order[i] = order[j];
		order[j] = kept;
	}
}

#endif							/* TW_HASH_H */
