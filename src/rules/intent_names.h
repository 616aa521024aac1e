/*
 * intent_names.h
 *		The current names of intents that were renamed or merged (table
 *		intent_aliases).
 */
#ifndef TW_INTENT_NAMES_H
#define TW_INTENT_NAMES_H

#include "base/slice.h"

extern bool tw_has_intent_aliases(Oid schema);
extern TwSlice tw_current_intent(Oid schema, TwSlice intent);
extern Datum tw_current_intent_datum(Oid schema, Datum intent);

#endif							/* TW_INTENT_NAMES_H */
