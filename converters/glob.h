/* Patterns for names: * is any text, ? one character, [a-z] one of a set, [!a-z] one of no set. */
#ifndef ETLHEAP_CONVERTERS_GLOB_H
#define ETLHEAP_CONVERTERS_GLOB_H

#include <stdbool.h>

/* Whether the whole name fits the pattern. Both are UTF-8; bytes that are not stand for themselves.
 * ASCII letters match either case. A [ that is never closed is an ordinary character, and so are
 * special ones inside a set: [*] is a star. Takes time in proportion to the product of both lengths
 * at most, whatever the pattern. */
bool glob_match(const char *pattern, const char *name);

/* Whether the pattern is nothing but stars, which alone match what has no name. */
bool glob_is_any(const char *pattern);

#endif
