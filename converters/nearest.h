/* The word that was probably meant by a misspelt one. */
#ifndef ETLHEAP_CONVERTERS_NEAREST_H
#define ETLHEAP_CONVERTERS_NEAREST_H

#include <stddef.h>

struct nearest {
    const char *word; /* as it was typed */
    size_t length;
    const char *found; /* the best of those offered, NULL while none is near */
    unsigned distance; /* of a word to be found: less than this */
};

void nearest_begin(struct nearest *n, const char *word, size_t length);

/* Offers a word that would have been right; it must outlive `n`. Of equally near ones the first
 * stays; a word that begins with the typed one is nearest of all. */
void nearest_offer(struct nearest *n, const char *candidate);

#endif
