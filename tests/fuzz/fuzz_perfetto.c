/* The Perfetto writer on any rows: what it writes unpacks with protobuf-c, without fields nobody
 * knows. Input: three bytes of choices, the rows. */
#include "fuzz_rows.h"

#include "perfetto_subset.pb-c.h"
#include "perfetto_writer.h"

static const char *const options[][2] = {
    {"resolution", "exact"}, {"resolution", "100ns"},     {"events", NULL},
    {"no-events", NULL},     {"profile-per-heap", NULL}, {"profile-dumps", "3"},
    {NULL, NULL},
};

static void check_output(const struct fuzz_output *o)
{
    Perfetto__Trace *trace =
        perfetto__trace__unpack(NULL, o->length, (const uint8_t *)o->bytes);
    REQUIRE(trace && trace->base.n_unknown_fields == 0);
    for (size_t i = 0; i < trace->n_packet; i++)
        REQUIRE(trace->packet[i]->base.n_unknown_fields == 0);
    perfetto__trace__free_unpacked(trace, NULL);
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
