/* JSON values as the texts that mappings work on. */
#ifndef PLUMB_IMPORT_ROW_VALUES_H
#define PLUMB_IMPORT_ROW_VALUES_H

#include <jansson.h>

/* Strings and lists of strings as they are, null and nothing as NULL, all else as its canonical
 * JSON, numbers with the fewest digits that read back as the same double. A new reference. */
json_t *plumb__value_text(const json_t *value);

#endif
