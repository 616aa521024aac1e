/*
 * import_keys.h
 *		The keys of a line to import.
 */
#ifndef TW_IMPORT_KEYS_H
#define TW_IMPORT_KEYS_H

/* The keys that a line may have: columns of training_samples by name. */
typedef enum TwImportKey
{
	TW_IMPORT_TEXT,
	TW_IMPORT_INTENT,
	TW_IMPORT_LANGUAGE,
	TW_IMPORT_ENTITIES,
	TW_IMPORT_MODULE_ID,
	TW_IMPORT_MODULE_TYPE,
	TW_IMPORT_EXPECTED_SERVICE,
	TW_IMPORT_SPLIT,
	TW_IMPORT_LABEL_SOURCE,
	TW_IMPORT_QUALITY_SCORE,
	TW_IMPORT_CREATED_AT
} TwImportKey;

#define TW_IMPORT_KEYS (TW_IMPORT_CREATED_AT + 1)

#endif							/* TW_IMPORT_KEYS_H */
