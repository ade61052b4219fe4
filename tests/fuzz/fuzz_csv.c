/* The CSV writer on any rows: what it writes, read back by a plain RFC 4180 parser, has a row for
 * every heap event and in its cells what the event holds; the other tables have as many cells in
 * every row as in their header. Input: three bytes of choices, the rows. */
#include "fuzz_rows.h"

#include "csv_writer.h"

#include <inttypes.h>
#include <string.h>

static const char *const options[][2] = {
    {"columns", "process_name,event,stack,size_bytes,time_ns,time_utc,address,process_live_bytes"},
    {"crlf", NULL},
    {"bom", NULL},
    {"delimiter", ";"},
    {"decimal-addresses", NULL},
    {"no-header", NULL},
    {"excel-safe", NULL},
    {"table", "heaps"},
    {"table", "sizes"},
    {"table", "callsites"},
    {"table", "processes"},
    {"table", "stacks"},
    {NULL, NULL},
};
enum { COLUMNS = 1, CRLF = 2, BOM = 4, SEMICOLON = 8, DECIMAL = 16, NO_HEADER = 32, EXCEL = 64,
       TABLES = 0xF80 };

struct parser {
    const char *at, *end;
    char delimiter;
    bool crlf;
    char *cell; /* the last one, NUL-terminated */
};

/* Reads a cell; true when it was its row's last. */
static bool next_cell(struct parser *p)
{
    size_t n = 0;
    bool quoted = p->at < p->end && *p->at == '"';
    p->at += quoted;
    for (;; p->at++) {
        REQUIRE(p->at < p->end);
        if (quoted && *p->at == '"' && p->at[1] != '"') {
            p->at++;
            break;
        }
        if (quoted && *p->at == '"')
            p->at++;
        else if (!quoted && (*p->at == p->delimiter || *p->at == '\n' || *p->at == '\r'))
            break;
        REQUIRE(quoted || *p->at != '"');
        p->cell[n++] = *p->at;
    }
    p->cell[n] = 0;
    if (*p->at == p->delimiter) {
        p->at++;
        return false;
    }
    REQUIRE(p->at < p->end && (!p->crlf || *p->at++ == '\r') && *p->at++ == '\n');
    return true;
}

static void expect(const struct parser *p, const char *text)
{
    if (strcmp(p->cell, text))
        fprintf(stderr, "cell '%s', expected '%s'\n", p->cell, text);
    REQUIRE(!strcmp(p->cell, text));
}

static void expect_number(const struct parser *p, bool known, bool is_signed, uint64_t value)
{
    char text[32] = "";
    if (known && is_signed)
        snprintf(text, sizeof text, "%" PRId64, (int64_t)value);
    else if (known)
        snprintf(text, sizeof text, "%" PRIu64, value);
    expect(p, text);
}

static void expect_name(const struct parser *p, const struct eh_model *m, uint32_t process,
                        bool excel)
{
    const char *name = process ? eh_model_process(m, process)->name : NULL;
    const char *cell = p->cell;
    if (excel && *cell == '\'' && (!name || *name != '\''))
        cell++;
    REQUIRE(!strcmp(cell, name ? name : ""));
}

static void expect_event(const struct parser *p, const struct eh_event *row)
{
    char text[64];
    snprintf(text, sizeof text, row->kind == EH_UNKNOWN ? "%s_0x%x" : "%s",
             eh_kind_name((enum eh_kind)row->kind), row->hook);
    expect(p, text);
}

static void check_chosen(struct parser *p, const struct eh_model *m, const struct eh_event *row,
                         bool excel)
{
    for (int column = 0; column < 8; column++) {
        bool last = next_cell(p);
        REQUIRE(last == (column == 7));
        if (column == 0)
            expect_name(p, m, row->process, excel);
        else if (column == 1)
            expect_event(p, row);
        else if (column == 3)
            expect_number(p, row->flags & EH_HAS_SIZE, false, row->size);
        else if (column == 4)
            expect_number(p, true, true, (uint64_t)row->time_ns);
        else if (column == 7)
            expect_number(p, row->flags & EH_HAS_LIVE, false, row->process_live_bytes);
    }
}

static void check_default(struct parser *p, const struct eh_model *m, const struct eh_event *row,
                          bool excel)
{
    for (int column = 0; column < 16; column++) {
        bool last = next_cell(p);
        REQUIRE(last == (column == 15));
        if (column == 0)
            expect_number(p, true, true, (uint64_t)row->time_ns);
        else if (column == 1)
            expect_number(p, row->process, false, eh_model_process(m, row->process)->pid);
        else if (column == 2)
            expect_name(p, m, row->process, excel);
        else if (column == 3)
            expect_number(p, row->thread_id != EH_NO_ID, false, row->thread_id);
        else if (column == 4)
            expect_number(p, row->flags & EH_HAS_CPU, false, row->cpu);
        else if (column == 5)
            expect_event(p, row);
        else if (column == 8)
            expect_number(p, row->flags & EH_HAS_SIZE, false, row->size);
        else if (column == 12)
            expect_number(p, row->flags & EH_HAS_LIFETIME, true, (uint64_t)row->lifetime_ns);
        else if (column == 13)
            expect_number(p, row->flags & EH_HAS_LIVE, false, row->heap_live_bytes);
        else if (column == 14)
            expect_number(p, row->flags & EH_HAS_LIVE, false, row->heap_live_blocks);
        else if (column == 15)
            expect_number(p, row->stack, false, row->stack);
    }
}

/* Any table: returns the rows below the header. */
static size_t check_shape(struct parser *p, bool header)
{
    size_t rows = 0, columns = 0;
    for (; p->at < p->end; rows++) {
        size_t cells = 1;
        while (!next_cell(p))
            cells++;
        REQUIRE(!rows || cells == columns);
        columns = cells;
    }
    REQUIRE(!header || rows);
    return header ? rows - 1 : rows;
}

static void check_events(struct parser *p, const struct fuzz_trace *t, uint32_t choices)
{
    while (!(choices & NO_HEADER) && !next_cell(p))
        ;
    for (size_t i = 0; i < t->row_count; i++) {
        if (t->rows[i].kind >= EH_HEAP_KINDS)
            continue;
        if (choices & COLUMNS)
            check_chosen(p, t->model, &t->rows[i], choices & EXCEL);
        else
            check_default(p, t->model, &t->rows[i], choices & EXCEL);
    }
}

static void check_output(const struct fuzz_trace *t, const struct fuzz_output *o, uint32_t choices)
{
    struct parser p = {
        .at = o->bytes,
        .end = o->bytes + o->length,
        .delimiter = choices & SEMICOLON ? ';' : ',',
        .crlf = choices & CRLF,
        .cell = malloc(o->length + 1),
    };
    REQUIRE(p.cell);
    if (choices & BOM) {
        REQUIRE(o->length >= 3 && !memcmp(p.at, "\xEF\xBB\xBF", 3));
        p.at += 3;
    }
    if (choices & TABLES)
        check_shape(&p, !(choices & NO_HEADER));
    else
        check_events(&p, t, choices);
    REQUIRE(p.at == p.end);
    free(p.cell);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length < 3)
        return 0;
    uint32_t choices = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16;
    if (choices & TABLES) /* every other one is of the events */
        choices = choices & 0x8000 ? choices & ~(uint32_t)TABLES : choices & ~(uint32_t)COLUMNS;
    struct fuzz_trace *t = fuzz_trace_create(bytes + 3, length - 3);
    struct fuzz_output o = fuzz_write(&csv_writer, t, options, false, choices);
    check_output(t, &o, choices);
    free(o.bytes);
    fuzz_trace_destroy(t);
    return 0;
}
