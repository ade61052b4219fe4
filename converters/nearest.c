#include "nearest.h"

#include <string.h>

#define WORD_MAX_BYTES 32 /* longer words are not compared */

void nearest_begin(struct nearest *n, const char *word, size_t length)
{
    *n = (struct nearest){word, length, NULL, (unsigned)length / 3 + 2};
}

/* How many letters must be changed, added or left out to make `a` into `b`. */
static unsigned edit_distance(const char *a, size_t a_length, const char *b)
{
    unsigned row[WORD_MAX_BYTES + 1];
    for (unsigned i = 0; i <= a_length; i++)
        row[i] = i;
    for (unsigned j = 1; b[j - 1]; j++) {
        unsigned diagonal = row[0];
        row[0] = j;
        for (size_t i = 1; i <= a_length; i++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[i];
            if (row[i] + 1 < best)
                best = row[i] + 1;
            if (row[i - 1] + 1 < best)
                best = row[i - 1] + 1;
            row[i] = best;
        }
    }
    return row[a_length];
}

void nearest_offer(struct nearest *n, const char *candidate)
{
    if (!n->length || n->length > WORD_MAX_BYTES)
        return;
    unsigned distance = strncmp(candidate, n->word, n->length)
                            ? edit_distance(n->word, n->length, candidate)
                            : 0;
    if (distance < n->distance) {
        n->distance = distance;
        n->found = candidate;
    }
}
