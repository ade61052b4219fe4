#include "base/array.h"

#include "base/ckd.h"

#include <stdlib.h>
#include <string.h>

int array_reserve(void **array, size_t *room, size_t need, size_t element)
{
    if (need <= *room)
        return 0;
    size_t grown = *room + *room / 2;
    if (grown < 16)
        grown = 16;
    if (grown < need)
        grown = need;
    size_t bytes;
    if (ckd_mul_size(&bytes, grown, element))
        return -1;
    void *bigger = realloc(*array, bytes);
    if (!bigger)
        return -1;
    *array = bigger;
    *room = grown;
    return 0;
}

int array_reserve_zeroed(void **array, size_t *room, size_t need, size_t element)
{
    size_t before = *room;
    if (need <= before)
        return 0;
    if (array_reserve(array, room, need, element) < 0)
        return -1;
    memset((char *)*array + before * element, 0, (*room - before) * element);
    return 0;
}
