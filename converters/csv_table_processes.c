/* The processes table: what the trace tells of each process instance. */
#include "csv_table.h"
#include "filter.h"

#include "base/array.h"

#include <stdlib.h>

enum {
    PROCESS_ID,
    PROCESS_NAME,
    PARENT_ID,
    START_NS,
    END_NS,
    COMMAND_LINE,
    COLUMNS,
    EVENTS = COLUMNS, /* no column: how many heap events it has, for --top */
    CELLS
};

static const char *const column_names[COLUMNS] = {
    [PROCESS_ID] = "process_id", [PROCESS_NAME] = "process_name", [PARENT_ID] = "parent_id",
    [START_NS] = "start_ns",     [END_NS] = "end_ns",             [COMMAND_LINE] = "command_line",
};

struct processes {
    struct csv_sheet sheet;
    uint64_t *events; /* by process instance: how many are shown */
    size_t room;
};

static int take_rows(struct csv_sheet *sheet, const struct eh_event *rows, size_t count)
{
    struct processes *s = (struct processes *)sheet;
    for (const struct eh_event *row = rows; row < rows + count; row++) {
        if (row->kind >= EH_HEAP_KINDS || row->flags & EH_HIDDEN)
            continue;
        if (ARRAY_RESERVE_ZEROED(s->events, s->room, row->process + (size_t)1) < 0)
            return -1;
        s->events[row->process]++;
    }
    return 0;
}

static uint64_t event_count(const struct processes *s, uint32_t process)
{
    return process < s->room ? s->events[process] : 0;
}

/* Whether the filters choose it; --heap does if the process has an event in a chosen heap. */
static bool is_chosen(const struct processes *s, uint32_t process)
{
    const struct filter *filter = s->sheet.context->filter;
    return !filter || (filter_has_process(filter, process) &&
                       (!filter->heap_handles.count || event_count(s, process)));
}

/* The model has an instance for every stretch of a pid's time, also where nothing happened in it
 * but its end by the start of the next. */
static bool is_told_of(const struct processes *s, uint32_t process, const struct eh_process *p)
{
    return p->name || p->has_start || p->has_parent ||
           event_count(s, process);
}

static void write_process(struct csv_sheet *sheet, uint32_t process, const struct eh_process *p)
{
    csv_write_row(sheet, (struct csv_cell[CELLS]){
        [PROCESS_ID] = csv_process_id(sheet, process),
        [PROCESS_NAME] = csv_process_name(sheet, process),
        [PARENT_ID] = p->has_parent ? csv_number(p->parent_pid) : (struct csv_cell){0},
        [START_NS] = csv_time(p->has_start, p->start_ns),
        [END_NS] = csv_time(p->has_end, p->end_ns),
        [COMMAND_LINE] = csv_text(p->command_line),
        [EVENTS] = csv_number(event_count((struct processes *)sheet, process)),
    });
}

/* The unknown owner, process 0, is no process. */
static int write_processes(struct csv_sheet *sheet)
{
    const struct processes *s = (struct processes *)sheet;
    const struct eh_model *model = sheet->context->model;
    for (uint32_t process = 1; process < eh_model_processes(model); process++) {
        const struct eh_process *p = eh_model_process(model, process);
        if (is_told_of(s, process, p) && is_chosen(s, process))
            write_process(sheet, process, p);
    }
    return 0;
}

static void done(struct csv_sheet *sheet)
{
    free(((struct processes *)sheet)->events);
}

const struct csv_table csv_table_processes = {
    .name = "processes",
    .columns = column_names,
    .column_count = COLUMNS,
    .default_count = COLUMNS,
    .measures = {EVENTS, EVENTS},
    .cell_count = CELLS,
    .state_size = sizeof(struct processes),
    .rows = take_rows,
    .end = write_processes,
    .done = done,
};
