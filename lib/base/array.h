/* Arrays that grow by half, for tables whose size an input decides. */
#ifndef ETLHEAP_BASE_ARRAY_H
#define ETLHEAP_BASE_ARRAY_H

#include <stddef.h>

/* Grows *array (of `element` bytes each) so that it has room for `need`. 0, or -1 and unchanged. */
int array_reserve(void **array, size_t *room, size_t need, size_t element);

/* `array` is a typed pointer variable, `room` its capacity in elements. */
#define ARRAY_RESERVE(array, room, need)                                                           \
    array_reserve((void **)&(array), &(room), (need), sizeof *(array))

/* The same; elements are zero until they are written. */
int array_reserve_zeroed(void **array, size_t *room, size_t need, size_t element);

#define ARRAY_RESERVE_ZEROED(array, room, need)                                                    \
    array_reserve_zeroed((void **)&(array), &(room), (need), sizeof *(array))

#endif
