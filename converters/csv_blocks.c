#include "csv_blocks.h"

#include "base/inline.h"

#include <string.h>

/* Flags that nearly every block's row has, and with one comparison all of these rows. */
#define USUAL_FLAGS (EH_HAS_HEAP | EH_HAS_CPU | EH_HAS_ADDRESS | EH_HAS_LIVE)

/* Copies from the caches are of fixed length and overshoot by less than this. */
#define OVERSHOOT CSV_WHO_BYTES

/* With the delimiters between them: time, who, what, address, size, old address and old size,
 * source, lifetime, live bytes and blocks, stack, and the end of the line. */
_Static_assert(TEXT_I64_BYTES + CSV_WHO_BYTES + CSV_WHAT_BYTES + TEXT_NEAR_BYTES + 1 +
                       TEXT_U64_BYTES + 1 + TEXT_HEX_BYTES + 1 + TEXT_U64_BYTES +
                       CSV_SOURCE_BYTES + TEXT_I64_BYTES + 1 + TEXT_NEAR_BYTES + 1 +
                       TEXT_NEAR_BYTES + 1 + TEXT_U64_BYTES + 2 + OVERSHOOT <=
                   CSV_BLOCK_BYTES,
               "a row and what is copied too much of fit");

static void set_sources(struct csv_blocks *b)
{
    char delimiter = b->sheet->dialect.delimiter;
    for (uint32_t i = 0; i <= CSV_SOURCES; i++) {
        struct csv_block_source *cell = &b->sources[i];
        const char *word = i ? eh_source_name(i - 1) : "";
        memset(cell->text, delimiter, 3);
        char *end = word ? put_string(cell->text + 3, word) : put_u64(cell->text + 3, i - 1);
        *end++ = delimiter;
        cell->length = (uint64_t)(end - cell->text);
    }
}

void csv_blocks_init(struct csv_blocks *b, const struct csv_sheet *sheet)
{
    memset(b, 0, sizeof *b);
    b->sheet = sheet;
    set_sources(b);
    for (size_t i = 0; i < CSV_WHO_SLOTS; i++)
        b->who[i].cpu = UINT32_MAX;
    for (size_t i = 0; i < CSV_HEAP_SLOTS; i++)
        b->heaps[i].heap_index = UINT64_MAX;
}

/* NULL for what is too long to be kept. */
EH_RARE static const struct csv_who *fill_who(const struct csv_blocks *b, struct csv_who *w,
                                              const struct eh_event *row)
{
    const struct csv_dialect *dialect = &b->sheet->dialect;
    const struct eh_process *process = eh_model_process(b->sheet->context->model, row->process);
    const char *name = row->process && process->name ? process->name : "";
    size_t length = strlen(name);
    char text[CSV_TEXT_BYTES(CSV_WHO_BYTES) + 3 * TEXT_U64_BYTES + 5], *at = text;
    if (length > CSV_WHO_BYTES)
        return NULL;
    *at++ = dialect->delimiter;
    if (row->process)
        at = put_u64(at, process->pid);
    *at++ = dialect->delimiter;
    at = csv_put_text(dialect, at, name, length);
    *at++ = dialect->delimiter;
    if (row->thread_id != EH_NO_ID)
        at = put_u64(at, row->thread_id);
    *at++ = dialect->delimiter;
    at = put_u64(at, row->cpu);
    *at++ = dialect->delimiter;
    length = (size_t)(at - text);
    if (length > CSV_WHO_BYTES)
        return NULL;
    w->process = row->process;
    w->thread_id = row->thread_id;
    w->cpu = row->cpu;
    w->length = (uint32_t)length;
    memcpy(w->text, text, length);
    return w;
}

static inline const struct csv_who *who_of(struct csv_blocks *b, const struct eh_event *row)
{
    struct csv_who *w = &b->who[row->thread_id / 4 % CSV_WHO_SLOTS];
    if (w->process == row->process && w->thread_id == row->thread_id && w->cpu == row->cpu)
        return w;
    return fill_who(b, w, row);
}

EH_RARE static struct csv_block_heap *
fill_heap(const struct csv_blocks *b, struct csv_block_heap *h, const struct eh_event *row)
{
    *h = (struct csv_block_heap){.heap_index = row->heap_index};
    for (unsigned kind = EH_ALLOC; kind <= EH_REALLOC; kind++) {
        char *at = put_string(h->what[kind].text, eh_kind_name((enum eh_kind)kind));
        *at++ = b->sheet->dialect.delimiter;
        at = put_hex(at, row->heap);
        *at++ = b->sheet->dialect.delimiter;
        h->what[kind].length = (uint64_t)(at - h->what[kind].text);
    }
    return h;
}

static inline struct csv_block_heap *heap_of(struct csv_blocks *b, const struct eh_event *row)
{
    struct csv_block_heap *h = &b->heaps[row->heap_index % CSV_HEAP_SLOTS];
    return h->heap_index == row->heap_index ? h : fill_heap(b, h, row);
}

/* Most texts fit into the first half. */
static inline char *put_who(char *at, const struct csv_who *w)
{
    memcpy(at, w->text, CSV_WHO_BYTES / 2);
    if (w->length > CSV_WHO_BYTES / 2)
        memcpy(at + CSV_WHO_BYTES / 2, w->text + CSV_WHO_BYTES / 2, CSV_WHO_BYTES / 2);
    return at + w->length;
}

EH_RARE static char *put_new_time(char *at, struct text_near *n, int64_t time_ns)
{
    return time_ns < 0 ? put_i64(at, time_ns) : put_new_six(at, n, (uint64_t)time_ns);
}

/* Times before the trace's start are never near another. */
static inline char *put_time(char *at, struct text_near *n, int64_t time_ns)
{
    return is_near(&n->range, (uint64_t)time_ns) ? put_six(at, n, (uint64_t)time_ns)
                                         : put_new_time(at, n, time_ns);
}

EH_RARE static char *put_old(char *at, char delimiter, const struct eh_event *row)
{
    *at++ = delimiter;
    at = put_hex(at, row->old_address);
    *at++ = delimiter;
    return put_u64(at, row->old_size);
}

/* old_address to lifetime_ns, with the delimiters around. */
static inline char *put_middle(char *at, char delimiter, const struct csv_block_source *source,
                               const struct eh_event *row)
{
    if (row->kind == EH_REALLOC) {
        at = put_old(at, delimiter, row);
        memcpy(at, source->text + 2, sizeof source->text - 2);
        at += source->length - 2;
    } else {
        memcpy(at, source->text, sizeof source->text);
        at += source->length;
    }
    if (row->flags & EH_HAS_LIFETIME)
        at = put_i64(at, row->lifetime_ns);
    *at++ = delimiter;
    return at;
}

static inline bool is_usual(const struct eh_event *row)
{
    return (row->flags & (USUAL_FLAGS | EH_HIDDEN)) == USUAL_FLAGS && row->kind <= EH_REALLOC;
}

/* NULL for one that is not kept. */
static inline const struct csv_block_source *source_of(const struct csv_blocks *b,
                                                       const struct eh_event *row)
{
    if (!(row->flags & EH_HAS_SOURCE))
        return &b->sources[0];
    return row->source < CSV_SOURCES ? &b->sources[1 + row->source] : NULL;
}

EH_ALWAYS_INLINE char *put_line(struct csv_blocks *b, char *at, const struct csv_who *who,
                                const struct csv_block_source *source,
                                const struct csv_dialect *dialect, const struct eh_event *row)
{
    struct csv_block_heap *heap = heap_of(b, row);
    const struct csv_what *what = &heap->what[row->kind];
    at = put_who(put_time(at, &b->time, row->time_ns), who);
    memcpy(at, what->text, sizeof what->text);
    at = put_near_hex(at + what->length, &heap->address, row->address);
    *at++ = dialect->delimiter;
    if (row->flags & EH_HAS_SIZE)
        at = put_u64(at, row->size);
    at = put_middle(at, dialect->delimiter, source, row);
    at = put_six(at, &heap->live_bytes, row->heap_live_bytes);
    *at++ = dialect->delimiter;
    at = put_three(at, &heap->live_blocks, row->heap_live_blocks);
    *at++ = dialect->delimiter;
    if (row->stack)
        at = put_u64(at, row->stack);
    if (dialect->crlf)
        *at++ = '\r';
    *at++ = '\n';
    return at;
}

size_t csv_put_blocks(struct csv_blocks *b, char **at, const struct eh_event *rows, size_t count)
{
    /* A copy that bytes written cannot change stays in registers. */
    const struct csv_dialect dialect = b->sheet->dialect;
    char *end = *at;
    size_t i = 0;
    for (; i < count && is_usual(&rows[i]); i++) {
        const struct csv_who *who = who_of(b, &rows[i]);
        const struct csv_block_source *source = source_of(b, &rows[i]);
        if (!who || !source)
            break;
        end = put_line(b, end, who, source, &dialect, &rows[i]);
    }
    *at = end;
    return i;
}
