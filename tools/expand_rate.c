/* How fast the buffers of a compressed trace are expanded, for tools/bench:
 *
 *     expand_rate TRACE.etl       prints MB of output per second of processor time
 *
 * The packed buffers are in memory before the clock starts, and each is expanded into the same
 * place, as in a run. Buffers that are plain, or packed otherwise than by XPRESS, are left out. */
#include "base/limits.h"
#include "container/etl_file.h"
#include "container/etl_layout.h"
#include "container/expand.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SECONDS     1.0 /* to be measured */
#define PACKED_MAX  ((size_t)64 << 20)

struct trace {
    struct etl_file file;
    uint8_t *packed; /* the buffers, one behind the other */
    uint8_t *into;
    size_t buffers; /* so many of the file's */
};

static bool is_measured(const struct etl_buffer *b)
{
    return b->compressed && b->state != 2 && b->state != 4;
}

static int load(struct trace *t, struct eh_error *e)
{
    size_t used = 0;
    t->packed = malloc(PACKED_MAX);
    t->into = malloc(LIMIT_EXPANDED_BYTES);
    if (!t->packed || !t->into)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    for (; t->buffers < t->file.buffer_count; t->buffers++) {
        const struct etl_buffer *b = &t->file.buffers[t->buffers];
        if (used + b->stored > PACKED_MAX)
            break;
        if (source_read(t->file.source, b->offset, t->packed + used, b->stored, e) < 0)
            return -1;
        used += b->stored;
    }
    return 0;
}

/* Expands all; returns the bytes that came out, 0 if one failed. */
static uint64_t expand_all(const struct trace *t)
{
    const uint8_t *at = t->packed;
    uint64_t made = 0;
    for (const struct etl_buffer *b = t->file.buffers; b < t->file.buffers + t->buffers; b++) {
        size_t length = b->valid - BUF_HEADER_BYTES;
        if (is_measured(b) && expand_xpress(at + BUF_HEADER_BYTES, b->stored - BUF_HEADER_BYTES,
                                            t->into, length) != length)
            return 0;
        made += is_measured(b) ? length : 0;
        at += b->stored;
    }
    return made;
}

static int measure(const struct trace *t)
{
    clock_t begin = clock(), spent;
    uint64_t made = 0;
    do {
        uint64_t n = expand_all(t);
        if (!n) {
            fputs("expand_rate: no buffer packed by XPRESS, or a broken one\n", stderr);
            return EXIT_FAILURE;
        }
        made += n;
        spent = clock() - begin;
    } while ((double)spent < SECONDS * CLOCKS_PER_SEC);
    printf("%.0f\n", (double)made / 1e6 * CLOCKS_PER_SEC / (double)spent);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct trace t = {0};
    struct etl_counts counts = {0};
    struct notices quiet = {0};
    struct eh_error e = {0};
    if (argc != 2) {
        fputs("usage: expand_rate TRACE.etl\n", stderr);
        return 2;
    }
    if (etl_file_open(&t.file, argv[1], &counts, &quiet, NULL, NULL, &e) < 0 || load(&t, &e) < 0) {
        fprintf(stderr, "expand_rate: %s: %s\n", argv[1], e.text);
        return EXIT_FAILURE;
    }
    int status = measure(&t);
    free(t.packed);
    free(t.into);
    etl_file_close(&t.file);
    return status;
}
