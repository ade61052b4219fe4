#include "chrome_instants.h"

#include "base/inline.h"

#include <string.h>

static char *put_source(char *at, uint32_t source)
{
    const char *word = eh_source_name(source);
    at = PUT(at, ",\"source\":\"");
    at = word ? put_string(at, word) : put_u64(at, source);
    *at++ = '"';
    return at;
}

void chrome_instants_init(struct chrome_instants *i, struct chrome_lines *lines,
                          const struct eh_model *model, struct chrome_stacks *stacks)
{
    i->lines = lines;
    i->model = model;
    i->stacks = stacks;
    for (uint32_t source = 0; source < CHROME_SOURCES; source++) {
        struct chrome_piece *piece = &i->sources[source];
        chrome_end_piece(piece, put_source(piece->text, source));
    }
}

/* A row without owner is shown on pid 0, tid 0, whatever its thread. */
EH_RARE static const struct chrome_piece *
fill_thread(const struct chrome_instants *i, struct chrome_thread *t, const struct eh_event *row)
{
    bool known = row->process && row->thread_id != EH_NO_ID;
    t->process = row->process;
    t->thread_id = row->thread_id;
    char *at = PUT(t->start.text, ",\n{\"ph\":\"i\",\"s\":\"");
    *at++ = known ? 't' : 'p';
    at = put_u64(PUT(at, "\",\"pid\":"), eh_model_process(i->model, row->process)->pid);
    at = put_u64(PUT(at, ",\"tid\":"), known ? row->thread_id : 0);
    chrome_end_piece(&t->start, PUT(at, ",\"ts\":"));
    return &t->start;
}

static inline const struct chrome_piece *start_of(struct chrome_instants *i,
                                                  const struct eh_event *row)
{
    struct chrome_thread *t = &i->threads[row->thread_id / 4 % CHROME_THREADS];
    if (t->process == row->process && t->thread_id == row->thread_id && t->start.length)
        return &t->start;
    return fill_thread(i, t, row);
}

static char *put_name(char *at, enum eh_kind kind)
{
    at = put_string(PUT(at, ",\"name\":\""), eh_kind_name(kind));
    return PUT(at, "\"");
}

static char *put_heap(char *at, uint64_t handle)
{
    at = put_hex(PUT(at, "\"heap\":\""), handle);
    return PUT(at, "\"");
}

EH_RARE static struct chrome_heap *fill_heap(struct chrome_heap *h, const struct eh_event *row)
{
    *h = (struct chrome_heap){.heap_index = row->heap_index};
    for (unsigned kind = EH_ALLOC; kind <= EH_REALLOC; kind++) {
        char *at = put_name(h->what[kind].text, (enum eh_kind)kind);
        at = put_heap(PUT(at, ",\"args\":{"), row->heap);
        chrome_end_piece(&h->what[kind], PUT(at, ",\"address\":\""));
    }
    return h;
}

static inline struct chrome_heap *heap_of(struct chrome_instants *i, const struct eh_event *row)
{
    struct chrome_heap *h = &i->heaps[row->heap_index % CHROME_HEAPS];
    return h->heap_index == row->heap_index ? h : fill_heap(h, row);
}

static inline bool has_lifetime(const struct eh_event *row)
{
    return row->kind == EH_FREE && row->flags & EH_HAS_LIFETIME;
}

static inline bool has_old(const struct eh_event *row)
{
    return row->kind == EH_REALLOC && row->flags & EH_HAS_HEAP;
}

static char *put_lifetime(char *at, const struct eh_event *row)
{
    return put_i64(PUT(at, ",\"lifetime_ns\":"), row->lifetime_ns);
}

EH_RARE static char *put_old(char *at, const struct eh_event *row)
{
    at = put_hex(PUT(at, ",\"old_address\":\""), row->old_address);
    return chrome_put_size(PUT(at, "\",\"old_size_bytes\":"), row->old_size);
}

/* Pieces are copied up to the length that nearly all have. */
static inline char *put_usual_piece(char *at, const struct chrome_piece *piece, size_t usual)
{
    memcpy(at, piece->text, usual);
    if (piece->length > usual)
        memcpy(at + usual, piece->text + usual, sizeof piece->text - usual);
    return at + piece->length;
}

/* A piece each from the line's beginning, from the time, and for the source. */
_Static_assert(3 * sizeof(struct chrome_piece) + CHROME_TIME_BYTES + TEXT_NEAR_BYTES +
                       3 * (TEXT_HEX_BYTES + 2) + TEXT_I64_BYTES +
                       sizeof "\",\"size_bytes\":,\"lifetime_ns\":,\"old_address\":\"\","
                              "\"old_size_bytes\":}}" <=
                   CHROME_INSTANT_BYTES,
               "a usual instant fits");

char *chrome_put_instant(struct chrome_instants *i, char *at, const struct eh_event *row)
{
    struct chrome_heap *heap = heap_of(i, row);
    at = put_usual_piece(at, start_of(i, row), 64);
    at = chrome_put_time(at, i->lines, row->time_ns);
    at = put_usual_piece(at, &heap->what[row->kind], 64);
    at = put_near_hex(at, &heap->address, row->address);
    *at++ = '"';
    if (row->flags & EH_HAS_SIZE)
        at = chrome_put_size(PUT(at, ",\"size_bytes\":"), row->size);
    if (row->flags & EH_HAS_SOURCE)
        at = put_usual_piece(at, &i->sources[row->source], 32);
    if (has_lifetime(row))
        at = put_lifetime(at, row);
    else if (has_old(row))
        at = put_old(at, row);
    return PUT(at, "}}");
}

/* The arguments, each with a comma before it: the cells of the events table that are not empty. */
static char *put_arguments(char *at, const struct eh_event *row)
{
    if (row->heap_index || row->flags & EH_HAS_HEAP)
        at = put_heap(PUT(at, ","), row->heap);
    if (row->flags & EH_HAS_ADDRESS)
        at = PUT(put_hex(PUT(at, ",\"address\":\""), row->address), "\"");
    if (row->flags & EH_HAS_SIZE)
        at = chrome_put_size(PUT(at, ",\"size_bytes\":"), row->size);
    if (row->flags & EH_HAS_SOURCE)
        at = put_source(at, row->source);
    if (has_lifetime(row))
        at = put_lifetime(at, row);
    return has_old(row) ? put_old(at, row) : at;
}

int chrome_write_instant(struct chrome_instants *i, const struct eh_event *row)
{
    struct out *o = i->lines->out;
    uint32_t leaf = 0;
    if (row->stack && chrome_stacks_leaf(i->stacks, i->model, row->stack, &leaf) < 0)
        return -1;
    char *begin = out_reserve(o, CHROME_LINE_BYTES);
    char *at = chrome_put_piece(begin, start_of(i, row));
    at = put_name(chrome_put_time(at, i->lines, row->time_ns), (enum eh_kind)row->kind);
    if (leaf)
        at = put_u64(PUT(at, ",\"sf\":"), leaf);
    at = PUT(at, ",\"args\":");
    /* The first argument's comma makes way for the brace. */
    char *end = put_arguments(at, row);
    end += end == at;
    *at++ = '{';
    if (leaf) {
        end = end == at ? end : PUT(end, ",");
        chrome_commit_lines(i->lines, begin, PUT(end, "\"stack\":\""));
        chrome_stacks_put_text(o, i->model, row->stack);
        begin = out_reserve(o, CHROME_LINE_BYTES);
        end = PUT(begin, "\"");
    }
    chrome_commit_lines(i->lines, begin, PUT(end, "}}"));
    return 0;
}
