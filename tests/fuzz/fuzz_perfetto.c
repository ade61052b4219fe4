/* The Perfetto writer on any rows: what it writes unpacks with protobuf-c, without fields nobody
 * knows. Input: three bytes of choices, the rows. */
#include "fuzz_rows.h"

#include "base/array.h"
#include "perfetto_subset.pb-c.h"
#include "perfetto_writer.h"

static const char *const options[][2] = {
    {"resolution", "exact"}, {"resolution", "100ns"},     {"events", NULL},
    {"no-events", NULL},     {"profile-per-heap", NULL}, {"profile-dumps", "3"},
    {NULL, NULL},
};

/* What a trace is unpacked into: blocks one after the other, all given back at once. Kept from run
 * to run; protobuf-c's many blocks, allocated each, took a third of the time. */
#define ARENA_CHUNK ((size_t)1 << 18)

struct arena {
    struct arena_chunk {
        char *bytes;
        size_t room;
    } *chunks;
    size_t chunk_room, chunk_count;
    size_t chunk, used; /* where the next block goes */
};

static void *arena_alloc(void *context, size_t size)
{
    struct arena *a = context;
    size = (size + 15) & ~(size_t)15;
    for (;; a->chunk++, a->used = 0) {
        if (a->chunk == a->chunk_count) {
            struct arena_chunk c = {.room = size < ARENA_CHUNK ? ARENA_CHUNK : size};
            c.bytes = malloc(c.room);
            REQUIRE(c.bytes && ARRAY_RESERVE(a->chunks, a->chunk_room, a->chunk_count + 1) == 0);
            a->chunks[a->chunk_count++] = c;
        }
        if (a->chunks[a->chunk].room - a->used >= size)
            break;
    }
    a->used += size;
    return a->chunks[a->chunk].bytes + a->used - size;
}

static void arena_free(void *context, void *block)
{
    (void)context, (void)block;
}

static void check_output(const struct fuzz_output *o)
{
    static struct arena arena;
    static ProtobufCAllocator allocator = {arena_alloc, arena_free, &arena};
    Perfetto__Trace *trace =
        perfetto__trace__unpack(&allocator, o->length, (const uint8_t *)o->bytes);
    REQUIRE(trace && trace->base.n_unknown_fields == 0);
    for (size_t i = 0; i < trace->n_packet; i++)
        REQUIRE(trace->packet[i]->base.n_unknown_fields == 0);
    arena.chunk = arena.used = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length < 3)
        return 0;
    uint32_t choices = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
    struct fuzz_trace *t = fuzz_trace_create(bytes + 3, length - 3);
    struct fuzz_output o = fuzz_write(&perfetto_writer, t, options, true, choices);
    check_output(&o);
    free(o.bytes);
    fuzz_write_pieces(&perfetto_writer, t, options, choices, check_output);
    fuzz_trace_destroy(t);
    return 0;
}
