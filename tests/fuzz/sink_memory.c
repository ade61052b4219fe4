#include "sink_memory.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

/* Most outputs fit at once. */
#define FIRST_ROOM 8192

char *out_make_room(struct out *o, size_t n)
{
    size_t used = (size_t)(o->at - o->start);
    o->file->room = used + n < FIRST_ROOM / 2 ? FIRST_ROOM : 2 * (used + n);
    char *bigger = realloc(o->start, o->file->room);
    REQUIRE(bigger);
    o->start = bigger;
    o->at = bigger + used;
    o->limit = bigger + o->file->room;
    return o->at;
}

void out_write(struct out *o, const void *bytes, size_t n)
{
    if (n)
        memcpy(out_reserve(o, n), bytes, n);
    out_commit(o, o->at + n);
}

struct out sink_in_memory(struct out_file *file)
{
    return (struct out){.file = file};
}

struct fuzz_output sink_output(struct out *o)
{
    *out_reserve(o, 1) = 0;
    return (struct fuzz_output){o->start, (size_t)(o->at - o->start)};
}
