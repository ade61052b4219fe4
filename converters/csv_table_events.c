/* The events table: one row for each heap event.
 *
 * A row is formatted straight into the sink's buffer, in space reserved once for all of its cells.
 * The default columns have a straight path of their own, in which the cells that repeat from row to
 * row (who: process to cpu; what: event and heap) are copied from small caches; any other choice of
 * columns takes them one by one. Both use the same functions for a cell. */
#include "csv_table.h"

#include "base/array.h"

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

/* "4242,app.exe,4711,3," for a process, thread and processor. */
struct who {
    uint64_t key;     /* process and thread */
    uint32_t cpu_key; /* cpu and whether it is known */
    uint32_t length;  /* 0: empty slot */
    char text[COPY_BYTES];
};

/* "alloc,0x1d2a4b50000," for a kind and heap handle. */
struct what {
    uint64_t heap;
    uint32_t key; /* kind, hook and whether the heap is known */
    uint32_t length; /* 0: empty slot */
    char text[COPY_BYTES];
};

/* The leading digits that a number shares with the one before it in its column. */
struct leading {
    uint64_t value; /* 0: none yet */
    size_t length;
    char text[24];
};

#define WHO_SLOTS     256
#define WHAT_SLOTS    256
#define ADDRESS_SLOTS 32

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
    struct who who[WHO_SLOTS];
    struct what what[WHAT_SLOTS];
    struct leading time;
    struct leading addresses[ADDRESS_SLOTS]; /* by heap */
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

static size_t stack_text_bytes(const struct eh_model *model, const struct eh_stack *stack)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < stack->depth; i++)
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

static char *put_cells(const struct events *s, char *at, const struct eh_event *row,
                       enum csv_column first, enum csv_column last)
{
    for (enum csv_column column = first; column <= last; column++) {
        at = put_cell(s, at, row, column);
        *at++ = s->sheet.dialect.delimiter;
    }
    return at;
}

/* process_id, process_name, thread_id, cpu */
static inline char *put_who(struct events *s, char *at, const struct eh_event *row)
{
    uint64_t key = (uint64_t)row->process << 32 | row->thread_id;
    uint32_t cpu_key = (uint32_t)(row->flags & EH_HAS_CPU) << 16 | row->cpu;
    struct who *w = &s->who[row->thread_id / 4 % WHO_SLOTS];
    if (w->key == key && w->cpu_key == cpu_key && w->length) {
        memcpy(at, w->text, sizeof w->text);
        return at + w->length;
    }
    char *end = put_cells(s, at, row, CSV_PROCESS_ID, CSV_CPU);
    size_t length = (size_t)(end - at);
    if (length > sizeof w->text)
        return end;
    *w = (struct who){key, cpu_key, (uint32_t)length, {0}};
    memcpy(w->text, at, length);
    return end;
}

/* event, heap */
static inline char *put_what(struct events *s, char *at, const struct eh_event *row)
{
    uint32_t key = (uint32_t)row->hook << 16 | (row->flags & EH_HAS_HEAP) << 8 | row->kind;
    struct what *w = &s->what[(row->heap_index * 4 + row->kind) % WHAT_SLOTS];
    if (w->heap == row->heap && w->key == key && w->length) {
        memcpy(at, w->text, sizeof w->text);
        return at + w->length;
    }
    char *end = put_cells(s, at, row, CSV_EVENT, CSV_HEAP);
    size_t length = (size_t)(end - at);
    if (length > sizeof w->text)
        return end;
    *w = (struct what){row->heap, key, (uint32_t)length, {0}};
    memcpy(w->text, at, length);
    return end;
}

/* Rows follow each other by much less than a millisecond: six digits change, the others stay. */
static inline char *put_next_time(struct events *s, char *at, int64_t time_ns)
{
    if (time_ns < 1000000)
        return put_i64(at, time_ns);
    uint64_t high = (uint64_t)time_ns / 1000000;
    struct leading *l = &s->time;
    if (l->value != high) {
        l->value = high;
        l->length = (size_t)(put_u64(l->text, high) - l->text);
    }
    memcpy(at, l->text, sizeof l->text);
    return put_six_digits(at + l->length, (uint32_t)((uint64_t)time_ns - high * 1000000));
}

/* The blocks of a heap mostly share the upper half of a 64-bit address. */
static inline char *put_next_address(struct events *s, char *at, const struct eh_event *row)
{
    uint64_t high = row->address >> 32;
    if (!high || s->sheet.dialect.decimal_addresses)
        return put_address(s, at, row->address);
    struct leading *l = &s->addresses[row->heap_index % ADDRESS_SLOTS];
    if (l->value != high) {
        l->value = high;
        l->length = (size_t)(put_hex(l->text, high) - l->text);
    }
    memcpy(at, l->text, sizeof l->text);
    return put_eight_hex_digits(at + l->length, (uint32_t)row->address);
}

/* old_address, old_size_bytes */
static inline char *put_old(const struct events *s, char *at, const struct eh_event *row)
{
    at = put_old_address(s, at, row);
    *at++ = s->sheet.dialect.delimiter;
    at = put_old_size(at, row);
    *at++ = s->sheet.dialect.delimiter;
    return at;
}

static char *put_default_cells(struct events *s, char *at, const struct eh_event *row)
{
    const char delimiter = s->sheet.dialect.delimiter;
    at = put_next_time(s, at, row->time_ns);
    *at++ = delimiter;
    at = put_who(s, at, row);
    at = put_what(s, at, row);
    if (row->flags & EH_HAS_ADDRESS)
        at = put_next_address(s, at, row);
    *at++ = delimiter;
    at = put_size(at, row);
    *at++ = delimiter;
    at = put_old(s, at, row);
    at = put_source(s, at, row);
    *at++ = delimiter;
    at = put_lifetime(at, row);
    *at++ = delimiter;
    at = put_if(at, row, EH_HAS_LIVE, row->heap_live_bytes);
    *at++ = delimiter;
    at = put_if(at, row, EH_HAS_LIVE, row->heap_live_blocks);
    *at++ = delimiter;
    at = put_stack_id(at, row);
    *at++ = delimiter;
    return at;
}

static int write_row(struct events *s, const struct eh_event *row, bool with_stack)
{
    const struct name *name = name_of(s, row->process);
    if (!name)
        return -1;
    size_t room = ROW_BYTES + name->length;
    if (with_stack)
        room += stack_bytes(s, row);
    char *begin = out_reserve(s->sheet.out, room);
    char *end = s->sheet.columns_given ? put_chosen_cells(s, begin, row)
                                       : put_default_cells(s, begin, row);
    out_commit(s->sheet.out, csv_end_line(&s->sheet, begin, end));
    s->sheet.row_count++;
    return 0;
}

static int write_rows(struct csv_sheet *sheet, const struct eh_event *rows, size_t count)
{
    struct events *s = (struct events *)sheet;
    bool with_stack = memchr(sheet->columns.columns, CSV_STACK, sheet->columns.count);
    for (const struct eh_event *row = rows; row < rows + count; row++)
        if (row->kind < EH_HEAP_KINDS && !(row->flags & EH_HIDDEN) &&
            write_row(s, row, with_stack) < 0)
            return -1;
    return 0;
}

static int begin(struct csv_sheet *sheet)
{
    fill_words((struct events *)sheet);
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
