#include "chrome_counter.h"

#include <string.h>

static void init(struct chrome_counter *c, uint32_t pid, const char *name, const char *heap)
{
    *c = (struct chrome_counter){.has_blocks = heap};
    char *at = put_u64(PUT(c->start.text, ",\n{\"ph\":\"C\",\"pid\":"), pid);
    at = put_string(PUT(at, ",\"name\":\""), name);
    if (heap)
        at = put_string(at, heap);
    chrome_end_piece(&c->start, PUT(at, "\",\"ts\":"));
}

void chrome_counter_of_heap(struct chrome_counter *c, uint32_t pid, const char *name)
{
    init(c, pid, "Heap ", name);
}

void chrome_counter_of_process(struct chrome_counter *c, uint32_t pid)
{
    init(c, pid, "Heap total", NULL);
}

/* Where the changing digits of a number begin that ends before `end`. */
static uint8_t set_range(struct text_range *r, const char *line, const char *number,
                         const char *end, uint64_t value, unsigned changing)
{
    return (uint8_t)(number - line +
                     (ptrdiff_t)text_range_set(r, value, (size_t)(end - number), changing));
}

char *chrome_put_new_point(struct chrome_counter *c, char *at, struct chrome_lines *l,
                           int64_t time_ns, uint64_t bytes, uint64_t blocks)
{
    if (time_ns == CHROME_NO_POINT)
        return at;
    char *line = at;
    char *time_end = chrome_put_time(chrome_put_piece(at, &c->start), l, time_ns);
    char *number = PUT(time_end, ",\"args\":{\"live bytes\":");
    at = chrome_put_size(number, bytes);
    c->bytes_place = set_range(&c->bytes, line, number, at, bytes, 6);
    if (c->has_blocks) {
        number = PUT(at, ",\"live blocks\":");
        at = put_u64(number, blocks);
        c->blocks_place = set_range(&c->blocks, line, number, at, blocks, 3);
    }
    at = PUT(at, "}}");
    c->length = (uint32_t)(at - line);
    c->span_ns = 0;
    if (c->length <= CHROME_KEPT_BYTES && chrome_is_in(&l->millisecond, time_ns)) {
        memcpy(c->line, line, c->length);
        c->time_place = (uint8_t)(time_end - CHROME_TIME_DIGITS - line);
        c->start_ns = l->millisecond.start_ns;
        c->span_ns = l->millisecond.span_ns;
    }
    return at;
}
