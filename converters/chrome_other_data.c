#include "chrome_other_data.h"

#include "chrome_lines.h"
#include "text.h"

#include "base/utf.h"

#include <stdlib.h>
#include <string.h>

static void put_figure(void *context, const struct eh_figure *f)
{
    struct out *o = context;
    char *at = PUT(out_reserve(o, CHROME_LINE_BYTES), ",\n\"");
    at = put_string(at, f->name);
    at = PUT(at, "\":");
    if (!f->known)
        at = PUT(at, "null");
    else if (f->is_signed)
        at = put_i64(at, (int64_t)f->value);
    else
        at = chrome_put_size(at, f->value);
    out_commit(o, at);
}

/* File names can hold any bytes; JSON cannot. */
static int put_input(struct out *o, const char *name, struct eh_error *e)
{
    size_t length = strlen(name);
    char *utf8 = malloc(2 * length + 1);
    if (!utf8)
        return eh_fail(e, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
    size_t utf8_length = utf8_from_ansi((const uint8_t *)name, length, utf8, 2 * length);
    char *at = out_reserve(o, 6 * utf8_length + 2);
    *at++ = '"';
    at = put_json_escaped(at, utf8, utf8_length);
    *at++ = '"';
    out_commit(o, at);
    free(utf8);
    return 0;
}

int chrome_put_other_data(const struct writer_context *context, const char *key, int64_t base_ns,
                          int64_t bucket_ns, const struct eh_stats *stats, struct eh_error *e)
{
    const struct eh_info *info = context->info;
    struct out *o = context->out;
    char *at = PUT(out_reserve(o, CHROME_LINE_BYTES), "\"");
    at = put_string(at, key);
    out_commit(o, PUT(at, "\":{\n\"tool\":\""));
    chrome_put_escaped(o, context->tool);
    at = PUT(out_reserve(o, CHROME_LINE_BYTES), "\",\n\"start\":\"");
    at = put_utc(at, (int64_t)((uint64_t)info->start_unix_ns + (uint64_t)base_ns));
    at = put_i64(PUT(at, "\",\n\"base_ns\":"), base_ns);
    at = put_i64(PUT(at, ",\n\"resolution_ns\":"), bucket_ns);
    out_commit(o, PUT(at, ",\n\"inputs\":["));
    for (size_t i = 0; i < info->inputs; i++) {
        out_write(o, ",", i ? 1 : 0);
        if (put_input(o, info->input_names[i], e) < 0)
            return -1;
    }
    out_write(o, "]", 1);
    eh_stats_each(stats, put_figure, o);
    out_write(o, "\n}", 2);
    return 0;
}

/* Quotes, commas and the like, a number, and what the fixed figures need together. */
#define FIGURE_BYTES 32
#define HEAD_BYTES   256

static void add_figure(void *context, const struct eh_figure *f)
{
    *(uint64_t *)context += strlen(f->name) + FIGURE_BYTES;
}

uint64_t chrome_other_data_bytes(const struct writer_context *context)
{
    const struct eh_info *info = context->info;
    struct eh_stats stats = {0};
    uint64_t bytes = HEAD_BYTES + json_escaped_bytes(context->tool, strlen(context->tool));
    memcpy(stats.heap_events, info->heap_events, sizeof stats.heap_events);
    memcpy(stats.unknown_types, info->unknown_types, sizeof stats.unknown_types);
    eh_stats_each(&stats, add_figure, &bytes);
    /* Latin-1 becomes two bytes of UTF-8 each. */
    for (size_t i = 0; i < info->inputs; i++)
        bytes += 12 * strlen(info->input_names[i]) + 3;
    return bytes;
}
