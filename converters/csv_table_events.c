/* The events table: one row for each heap event.
 *
 * A row is formatted straight into the sink's buffer, in space reserved once for all of its cells.
 * Blocks' rows in the default columns have a straight path of their own (csv_blocks.h); all others,
 * and any other choice of columns, take their cells one by one. */
#include "csv_blocks.h"
#include "csv_table.h"

#include "base/array.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

/* In the order of the default table, then those that are only written when asked for. */
enum csv_column {
    CSV_TIME_NS,
    CSV_PROCESS_ID,
    CSV_PROCESS_NAME,
    CSV_THREAD_ID,
    CSV_CPU,
    CSV_EVENT,
    CSV_HEAP,
    CSV_ADDRESS,
    CSV_SIZE_BYTES,
    CSV_OLD_ADDRESS,
    CSV_OLD_SIZE_BYTES,
    CSV_SOURCE,
    CSV_LIFETIME_NS,
    CSV_HEAP_LIVE_BYTES,
    CSV_HEAP_LIVE_BLOCKS,
    CSV_STACK_ID,
    CSV_DEFAULT_COLUMNS,

    CSV_TIME_UTC = CSV_DEFAULT_COLUMNS,
    CSV_RAW_TIME,
    CSV_PROCESS_LIVE_BYTES,
    CSV_PROCESS_LIVE_BLOCKS,
    CSV_STACK,
    CSV_COLUMNS
};

static const char *const column_names[CSV_COLUMNS] = {
    [CSV_TIME_NS] = "time_ns",
    [CSV_PROCESS_ID] = "process_id",
    [CSV_PROCESS_NAME] = "process_name",
    [CSV_THREAD_ID] = "thread_id",
    [CSV_CPU] = "cpu",
    [CSV_EVENT] = "event",
    [CSV_HEAP] = "heap",
    [CSV_ADDRESS] = "address",
    [CSV_SIZE_BYTES] = "size_bytes",
    [CSV_OLD_ADDRESS] = "old_address",
    [CSV_OLD_SIZE_BYTES] = "old_size_bytes",
    [CSV_SOURCE] = "source",
    [CSV_LIFETIME_NS] = "lifetime_ns",
    [CSV_HEAP_LIVE_BYTES] = "heap_live_bytes",
    [CSV_HEAP_LIVE_BLOCKS] = "heap_live_blocks",
    [CSV_STACK_ID] = "stack_id",
    [CSV_TIME_UTC] = "time_utc",
    [CSV_RAW_TIME] = "raw_time",
    [CSV_PROCESS_LIVE_BYTES] = "process_live_bytes",
    [CSV_PROCESS_LIVE_BLOCKS] = "process_live_blocks",
    [CSV_STACK] = "stack",
};

/* Copies from the tables and caches below are of fixed length, and so may overshoot. */
#define COPY_BYTES 64
#define ROW_BYTES  (CSV_COLUMNS * CSV_CELL_BYTES + COPY_BYTES + 3)

/* Text that is copied whole, whatever its length. */
struct word {
    uint32_t length;
    char text[28];
};

#define SOURCES 8

/* A process's name as a cell; filled when it is first written. */
struct name {
    char *text;
    size_t length;
};

struct events {
    struct csv_sheet sheet;
    struct name *names; /* by process instance */
    size_t name_room;
    struct word kinds[EH_HEAP_KINDS];
    struct word sources[SOURCES];
    struct csv_blocks blocks;
};

static void set_word(struct word *w, const char *text)
{
    size_t length = strlen(text);
    if (length > sizeof w->text)
        length = sizeof w->text;
    memcpy(w->text, text, length);
    w->length = (uint32_t)length;
}

static void fill_words(struct events *s)
{
    for (unsigned kind = 0; kind < EH_HEAP_KINDS; kind++)
        set_word(&s->kinds[kind], eh_kind_name((enum eh_kind)kind));
    for (uint32_t source = 0; source < SOURCES; source++) {
        const char *word = eh_source_name(source);
        char number[TEXT_U64_BYTES + 1];
        *put_u64(number, source) = 0;
        set_word(&s->sources[source], word ? word : number);
    }
}

/* Process instances may come with the rows that name them. */
static const struct name *add_name(struct events *s, uint32_t process)
{
    if (ARRAY_RESERVE_ZEROED(s->names, s->name_room, process + (size_t)1) < 0)
        return NULL;
    const char *text = process ? eh_model_process(s->sheet.context->model, process)->name : NULL;
    size_t length = text ? strlen(text) : 0;
    struct name *n = &s->names[process];
    n->text = malloc(CSV_TEXT_BYTES(length));
    if (!n->text)
        return NULL;
    char *end = csv_put_text(&s->sheet.dialect, n->text, text ? text : "", length);
    n->length = (size_t)(end - n->text);
    return n;
}

/* The name of a row's process as a cell, or NULL when memory ran out. Process 0 has none. */
static inline const struct name *name_of(struct events *s, uint32_t process)
{
    if (process < s->name_room && s->names[process].text)
        return &s->names[process];
    return add_name(s, process);
}

static inline char *put_word(char *at, const struct word *w)
{
    memcpy(at, w->text, sizeof w->text);
    return at + w->length;
}

static inline char *put_address(const struct events *s, char *at, uint64_t address)
{
    return s->sheet.dialect.decimal_addresses ? put_u64(at, address) : put_hex(at, address);
}

static char *put_process_id(const struct events *s, char *at, const struct eh_event *row)
{
    if (!row->process)
        return at;
    return put_u64(at, eh_model_process(s->sheet.context->model, row->process)->pid);
}

static char *put_process_name(const struct events *s, char *at, const struct eh_event *row)
{
    const struct name *n = &s->names[row->process];
    return put_bytes(at, n->text, n->length);
}

static char *put_thread_id(char *at, const struct eh_event *row)
{
    return row->thread_id == EH_NO_ID ? at : put_u64(at, row->thread_id);
}

static char *put_cpu(char *at, const struct eh_event *row)
{
    return row->flags & EH_HAS_CPU ? put_u64(at, row->cpu) : at;
}

static char *put_event(const struct events *s, char *at, const struct eh_event *row)
{
    at = put_word(at, &s->kinds[row->kind]);
    if (row->kind != EH_UNKNOWN)
        return at;
    *at++ = '_';
    return put_hex(at, row->hook);
}

static char *put_heap(const struct events *s, char *at, const struct eh_event *row)
{
    return row->flags & EH_HAS_HEAP ? put_address(s, at, row->heap) : at;
}

static inline char *put_block(const struct events *s, char *at, const struct eh_event *row)
{
    return row->flags & EH_HAS_ADDRESS ? put_address(s, at, row->address) : at;
}

static inline char *put_size(char *at, const struct eh_event *row)
{
    return row->flags & EH_HAS_SIZE ? put_u64(at, row->size) : at;
}

static inline bool has_old(const struct eh_event *row)
{
    return row->kind == EH_REALLOC && row->flags & EH_HAS_HEAP;
}

static inline char *put_old_address(const struct events *s, char *at, const struct eh_event *row)
{
    return has_old(row) ? put_address(s, at, row->old_address) : at;
}

static inline char *put_old_size(char *at, const struct eh_event *row)
{
    return has_old(row) ? put_u64(at, row->old_size) : at;
}

static inline char *put_source(const struct events *s, char *at, const struct eh_event *row)
{
    if (!(row->flags & EH_HAS_SOURCE))
        return at;
    return row->source < SOURCES ? put_word(at, &s->sources[row->source])
                                 : put_u64(at, row->source);
}

static inline char *put_lifetime(char *at, const struct eh_event *row)
{
    return row->flags & EH_HAS_LIFETIME ? put_i64(at, row->lifetime_ns) : at;
}

static inline char *put_if(char *at, const struct eh_event *row, unsigned flag, uint64_t value)
{
    return row->flags & flag ? put_u64(at, value) : at;
}

static inline char *put_stack_id(char *at, const struct eh_event *row)
{
    return row->stack ? put_u64(at, row->stack) : at;
}

static char *put_time_utc(const struct events *s, char *at, const struct eh_event *row)
{
    /* Sums that leave the range of the clock stay at its end. */
    int64_t start = s->sheet.context->info->start_unix_ns, time = row->time_ns, sum;
    if (__builtin_add_overflow(start, time, &sum))
        sum = time < 0 ? INT64_MIN : INT64_MAX;
    return put_utc(at, sum);
}

/* One frame as "module+0x1234" or "0x7ff912345678", with the separator after it. */
static size_t frame_bytes(const struct eh_model *model, const struct eh_frame *f)
{
    size_t module = f->image ? strlen(eh_model_image(model, f->image)->file_name) : 0;
    return module + 1 + TEXT_HEX_BYTES + 1;
}

static char *put_frame(const struct eh_model *model, char *at, const struct eh_frame *f)
{
    if (!f->image)
        return put_hex(at, f->address);
    at = put_string(at, eh_model_image(model, f->image)->file_name);
    *at++ = '+';
    return put_hex(at, f->offset);
}

/* What LIMIT_STACK_TEXT, the frame that passes it and the mark behind it take at most. */
#define STACK_TEXT_MOST (LIMIT_STACK_TEXT + LIMIT_NAME_BYTES + 64)

static size_t stack_text_bytes(const struct eh_model *model, const struct eh_stack *stack)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < stack->depth && bytes < STACK_TEXT_MOST; i++)
        bytes += frame_bytes(model, eh_model_frame(model, stack->frames[i]));
    return bytes;
}

/* Room for the stack cell of a row: as plain text, and as the cell made of it. */
static size_t stack_bytes(const struct events *s, const struct eh_event *row)
{
    if (!row->stack)
        return 0;
    struct eh_stack stack = eh_model_stack(s->sheet.context->model, row->stack);
    size_t plain = stack_text_bytes(s->sheet.context->model, &stack);
    return plain + CSV_TEXT_BYTES(plain);
}

static char *put_stack(const struct events *s, char *at, const struct eh_event *row)
{
    if (!row->stack)
        return at;
    const struct eh_model *model = s->sheet.context->model;
    struct eh_stack stack = eh_model_stack(model, row->stack);
    /* The plain text goes behind the place where the cell will end at the most. */
    char *plain = at + CSV_TEXT_BYTES(stack_text_bytes(model, &stack));
    char *end = plain;
    for (uint32_t i = 0; i < stack.depth; i++) {
        if (i)
            *end++ = ';';
        if ((size_t)(end - plain) > LIMIT_STACK_TEXT) {
            end = put_string(end, "...");
            break;
        }
        end = put_frame(model, end, eh_model_frame(model, stack.frames[i]));
    }
    return csv_put_text(&s->sheet.dialect, at, plain, (size_t)(end - plain));
}

static char *put_cell(const struct events *s, char *at, const struct eh_event *row,
                      enum csv_column column)
{
    switch (column) {
    case CSV_TIME_NS:
        return put_i64(at, row->time_ns);
    case CSV_PROCESS_ID:
        return put_process_id(s, at, row);
    case CSV_PROCESS_NAME:
        return put_process_name(s, at, row);
    case CSV_THREAD_ID:
        return put_thread_id(at, row);
    case CSV_CPU:
        return put_cpu(at, row);
    case CSV_EVENT:
        return put_event(s, at, row);
    case CSV_HEAP:
        return put_heap(s, at, row);
    case CSV_ADDRESS:
        return put_block(s, at, row);
    case CSV_SIZE_BYTES:
        return put_size(at, row);
    case CSV_OLD_ADDRESS:
        return put_old_address(s, at, row);
    case CSV_OLD_SIZE_BYTES:
        return put_old_size(at, row);
    case CSV_SOURCE:
        return put_source(s, at, row);
    case CSV_LIFETIME_NS:
        return put_lifetime(at, row);
    case CSV_HEAP_LIVE_BYTES:
        return put_if(at, row, EH_HAS_LIVE, row->heap_live_bytes);
    case CSV_HEAP_LIVE_BLOCKS:
        return put_if(at, row, EH_HAS_LIVE, row->heap_live_blocks);
    case CSV_STACK_ID:
        return put_stack_id(at, row);
    case CSV_TIME_UTC:
        return put_time_utc(s, at, row);
    case CSV_RAW_TIME:
        return put_i64(at, row->raw_time);
    case CSV_PROCESS_LIVE_BYTES:
        return put_if(at, row, EH_HAS_LIVE, row->process_live_bytes);
    case CSV_PROCESS_LIVE_BLOCKS:
        return put_if(at, row, EH_HAS_LIVE, row->process_live_blocks);
    case CSV_STACK:
        return put_stack(s, at, row);
    case CSV_COLUMNS:
        break;
    }
    return at;
}

static char *put_chosen_cells(const struct events *s, char *at, const struct eh_event *row)
{
    for (size_t i = 0; i < s->sheet.columns.count; i++) {
        at = put_cell(s, at, row, (enum csv_column)s->sheet.columns.columns[i]);
        *at++ = s->sheet.dialect.delimiter;
    }
    return at;
}

static int write_chosen_row(struct events *s, const struct eh_event *row, bool with_stack)
{
    const struct name *name = name_of(s, row->process);
    if (!name)
        return -1;
    size_t room = ROW_BYTES + name->length;
    if (with_stack)
        room += stack_bytes(s, row);
    char *begin = out_reserve(s->sheet.out, room);
    char *end = put_chosen_cells(s, begin, row);
    out_commit(s->sheet.out, csv_end_line(&s->sheet, begin, end));
    s->sheet.row_count++;
    return 0;
}

static inline bool is_shown(const struct eh_event *row)
{
    return row->kind < EH_HEAP_KINDS && !(row->flags & EH_HIDDEN);
}

static int write_chosen_rows(struct events *s, const struct eh_event *rows, size_t count)
{
    const struct csv_columns *columns = &s->sheet.columns;
    bool with_stack = memchr(columns->columns, CSV_STACK, columns->count);
    for (const struct eh_event *row = rows; row < rows + count; row++)
        if (is_shown(row) && write_chosen_row(s, row, with_stack) < 0)
            return -1;
    return 0;
}

/* The default columns and dialect of numbers. Room is reserved once for all rows at hand: row by
 * row it costs 5 instructions each. */
static int write_default_rows(struct events *s, const struct eh_event *rows, size_t count)
{
    while (count) {
        char *at = out_reserve(s->sheet.out, count * CSV_BLOCK_BYTES);
        size_t done = csv_put_blocks(&s->blocks, &at, rows, count);
        out_commit(s->sheet.out, at);
        s->sheet.row_count += done;
        rows += done;
        count -= done;
        if (!count)
            break;
        if (is_shown(rows) && write_chosen_row(s, rows, false) < 0)
            return -1;
        rows++;
        count--;
    }
    return 0;
}

static int write_run(struct events *s, const struct eh_event *rows, size_t count)
{
    bool chosen = s->sheet.columns_given || s->sheet.dialect.decimal_addresses;
    return chosen ? write_chosen_rows(s, rows, count) : write_default_rows(s, rows, count);
}

/* One at a time: any row may be the first of the next piece. */
static int write_into_pieces(struct events *s, const struct eh_event *rows, size_t count)
{
    for (const struct eh_event *row = rows; row < rows + count; row++) {
        if (!is_shown(row))
            continue;
        uint64_t before = out_position(s->sheet.out);
        if (write_run(s, row, 1) < 0)
            return -1;
        if (csv_cut_before_row(&s->sheet, before, row->time_ns) && write_run(s, row, 1) < 0)
            return -1;
    }
    return 0;
}

static int write_rows(struct csv_sheet *sheet, const struct eh_event *rows, size_t count)
{
    struct events *s = (struct events *)sheet;
    return sheet->context->split ? write_into_pieces(s, rows, count) : write_run(s, rows, count);
}

static int begin(struct csv_sheet *sheet)
{
    struct events *s = (struct events *)sheet;
    fill_words(s);
    csv_blocks_init(&s->blocks, sheet);
    return 0;
}

static void done(struct csv_sheet *sheet)
{
    struct events *s = (struct events *)sheet;
    for (size_t i = 0; i < s->name_room; i++)
        free(s->names[i].text);
    free(s->names);
}

const struct csv_table csv_table_events = {
    .name = "events",
    .columns = column_names,
    .column_count = CSV_COLUMNS,
    .default_count = CSV_DEFAULT_COLUMNS,
    .state_size = sizeof(struct events),
    .begin = begin,
    .rows = write_rows,
    .done = done,
};
