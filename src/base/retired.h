/*
 * retired.h
 *		Functions whose SQL is of an older version than the library.
 */
#ifndef TW_RETIRED_H
#define TW_RETIRED_H

extern Datum tw_update_first(void);

#endif							/* TW_RETIRED_H */
