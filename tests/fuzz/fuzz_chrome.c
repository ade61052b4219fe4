/* The Chrome writer on any rows: what it writes is one strict JSON value in valid UTF-8.
 * Input: three bytes of choices (filters
 * among them), the rows. */
#include "fuzz_json.h"
#include "fuzz_rows.h"

#include "chrome_writer.h"

static const char *const options[][2] = {
    {"resolution", "exact"}, {"resolution", "100ns"}, {"events", NULL}, {"no-events", NULL},
    {NULL, NULL},
};

static void check_output(const struct fuzz_output *o)
{
    check_json(o->bytes, o->length);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length < 3)
        return 0;
    uint32_t choices = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
    struct fuzz_trace *t = fuzz_trace_create(bytes + 3, length - 3);
    struct fuzz_output o = fuzz_write(&chrome_writer, t, options, true, choices);
    check_output(&o);
    free(o.bytes);
    fuzz_write_pieces(&chrome_writer, t, options, choices, check_output);
    fuzz_trace_destroy(t);
    return 0;
}
