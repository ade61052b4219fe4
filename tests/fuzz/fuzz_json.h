/* What is required of JSON that a writer wrote. */
#ifndef ETLHEAP_TESTS_FUZZ_JSON_H
#define ETLHEAP_TESTS_FUZZ_JSON_H

#include <stddef.h>

/* The whole text is one strict value in valid UTF-8, with blanks around it; behind it stands a NUL.
 */
void check_json(const char *text, size_t length);

/* Steps over one character above ASCII, which must be a valid one. */
const char *skip_utf8(const char *text);

#endif
