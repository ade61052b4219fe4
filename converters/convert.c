#include "writer.h"

#include "etlheap.h"
#include "filter.h"
#include "options.h"
#include "output.h"
#include "pieces.h"
#include "platform.h"
#include "report.h"
#include "split.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum exit_status {
    STATUS_DECODED = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_DAMAGED = 3,
};

#define ZSTD_LEVEL_DEFAULT 3
#define ZSTD_LEVEL_LAST    19

/* More than the default are of use with high levels of compression; each takes memory. */
#define THREADS_DEFAULT_MAX 8
#define THREADS_MAX         64

struct settings {
    const char *output; /* NULL: chosen from the first input's name */
    const char *stats;  /* NULL: none */
    int zstd_level;     /* 0: not asked for */
    unsigned threads;   /* 0: chosen from the processors */
    uint32_t max_live;  /* 0: not asked for */
    bool force, quiet, no_progress, strict, help, version;
    struct split split;
};

struct conversion {
    const struct writer *writer;
    struct settings settings;
    struct writer_needs needs;
    struct filter filter;
    bool filtered;
    struct eh_info info; /* filtered: what the writer is told */
    struct report report;
    struct eh_error error;
    const char *const *inputs;
    size_t input_count;
    char *default_name; /* what settings.output points to when it was not given */
    struct pieces data;
    struct output stats;
    struct output *target; /* the file of `data` that `out` leads to */
    bool piece_failed;     /* a piece could not be finished or begun: `error` says why */
    struct out *out;
    struct eh_reader *reader;
    void *state; /* the writer's */
    char tool[64];
    struct writer_context context; /* lives as long as the writer */
};

enum {
    OPTION_OUTPUT,
    OPTION_STDOUT,
    OPTION_FORCE,
    OPTION_ZSTD,
    OPTION_THREADS,
    OPTION_QUIET,
    OPTION_NO_PROGRESS,
    OPTION_STATS,
    OPTION_STRICT,
    OPTION_MAX_LIVE,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option_spec common_options[] = {
    {"output", 'o', "FILE", "write FILE; - is standard output", OPTION_OUTPUT},
    {"stdout", 'c', NULL, "write standard output", OPTION_STDOUT},
    {"force", 'f', NULL, "replace an existing file", OPTION_FORCE},
    {"zstd", 0, "[=LEVEL]", "compress, 1 to 19, default 3; so does -o NAME.zst", OPTION_ZSTD},
    {"threads", 0, "N", "compress on N processors, by default all, up to 8", OPTION_THREADS},
    {"stats", 0, "FILE", "write counts of events, losses, live bytes as JSON", OPTION_STATS},
    {"strict", 0, NULL, "status 3 also for what the recording itself lost", OPTION_STRICT},
    {"max-live", 0, "N", "track at most N live blocks; others are counted", OPTION_MAX_LIVE},
    {"quiet", 'q', NULL, "no progress, no notes, no closing line", OPTION_QUIET},
    {"no-progress", 0, NULL, "no progress", OPTION_NO_PROGRESS},
    {"help", 'h', NULL, "this text", OPTION_HELP},
    {"version", 'V', NULL, "name and version", OPTION_VERSION},
    {0},
};

static int set_zstd_level(struct settings *s, const char *argument, struct eh_error *e)
{
    uint64_t level = ZSTD_LEVEL_DEFAULT;
    if (argument && (parse_u64(&level, argument, strlen(argument)) < 0 || level < 1 ||
                     level > ZSTD_LEVEL_LAST))
        return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "--zstd takes a level from 1 to %d",
                       ZSTD_LEVEL_LAST);
    s->zstd_level = (int)level;
    return 0;
}

static int set_threads(struct settings *s, const char *argument, struct eh_error *e)
{
    uint64_t threads;
    if (parse_u64(&threads, argument, strlen(argument)) < 0 || threads < 1 ||
        threads > THREADS_MAX)
        return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "--threads takes a number from 1 to %d",
                       THREADS_MAX);
    s->threads = (unsigned)threads;
    return 0;
}

static int set_max_live(struct settings *s, const char *argument, struct eh_error *e)
{
    uint64_t most;
    if (parse_u64(&most, argument, strlen(argument)) < 0 || most < 1 || most > EH_MAX_LIVE)
        return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "--max-live takes a number from 1 to %u",
                       (unsigned)EH_MAX_LIVE);
    s->max_live = (uint32_t)most;
    return 0;
}

/* Two values cannot both hold; that the last would is nothing to guess. */
static int set_once(const char **value, const char *argument, const char *what, struct eh_error *e)
{
    if (!*argument)
        return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET, "%s is empty", what);
    if (*value && strcmp(*value, argument))
        return eh_fail(e, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                       "%s is given twice, as '%s' and '%s'; leave out one", what, *value, argument);
    *value = argument;
    return 0;
}

static int set_common(void *state, int id, const char *argument, struct eh_error *e)
{
    struct settings *s = state;
    switch (id) {
    case OPTION_OUTPUT:
    case OPTION_STDOUT:
        return set_once(&s->output, argument ? argument : "-", "--output", e);
    case OPTION_ZSTD:
        return set_zstd_level(s, argument, e);
    case OPTION_THREADS:
        return set_threads(s, argument, e);
    case OPTION_STATS:
        return set_once(&s->stats, argument, "--stats", e);
    case OPTION_FORCE:
        s->force = true;
        return 0;
    case OPTION_STRICT:
        s->strict = true;
        return 0;
    case OPTION_MAX_LIVE:
        return set_max_live(s, argument, e);
    case OPTION_QUIET:
        s->quiet = true;
        return 0;
    case OPTION_NO_PROGRESS:
        s->no_progress = true;
        return 0;
    case OPTION_HELP:
        s->help = true;
        return 0;
    default:
        s->version = true;
        return 0;
    }
}

static unsigned default_threads(void)
{
    unsigned processors = platform_processors();
    return processors < THREADS_DEFAULT_MAX ? processors : THREADS_DEFAULT_MAX;
}

static int finish_text(const struct writer *w)
{
    struct eh_error e;
    if (output_finish_text(&e) == 0)
        return STATUS_DECODED;
    fprintf(stderr, "%s: %s\n", w->command, e.text);
    return STATUS_FAILED;
}

/* Without empty lines between its parts: all of it fits on a screen. */
static int print_help(const struct writer *w, const struct option_group *groups, size_t count)
{
    printf("%s: %s\n"
           "Usage: %s [options] TRACE.etl [MORE.etl ...]    - is standard input\n"
           "%s",
           w->command, w->summary, w->command, w->examples);
    options_print(stdout, groups, count);
    return finish_text(w);
}

static int print_version(const struct writer *w)
{
    printf("%s %s\n", w->command, ETLHEAP_VERSION);
    return finish_text(w);
}

static int check_one_input(struct conversion *c, const char *path)
{
    struct platform_status status;
    if (!strcmp(path, "-"))
        return 0;
    if (platform_status_of_path(path, &status) < 0)
        return eh_fail(&c->error, EH_ERR_IO, errno, EH_NO_OFFSET, "%s: cannot open", path);
    if (status.kind == PLATFORM_NOTHING || status.kind == PLATFORM_DANGLING)
        return eh_fail(&c->error, EH_ERR_IO, ENOENT, EH_NO_OFFSET, "%s: cannot open", path);
    if (status.kind == PLATFORM_FOLDER)
        return eh_fail(&c->error, EH_ERR_IO, 0, EH_NO_OFFSET,
                       "%s: is a folder; name the .etl files in it", path);
    return 0;
}

/* Looked at before any output is made, so that a misspelt name is what is complained of. */
static int check_inputs(struct conversion *c)
{
    bool from_stdin = false;
    if (c->input_count == 0)
        return eh_fail(&c->error, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                       "name a trace to read, or - for standard input; --help says more");
    for (size_t i = 0; i < c->input_count; i++) {
        bool is_stdin = !strcmp(c->inputs[i], "-");
        if (is_stdin && from_stdin)
            return eh_fail(&c->error, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                           "standard input can be read only once");
        from_stdin = from_stdin || is_stdin;
        if (check_one_input(c, c->inputs[i]) < 0)
            return -1;
    }
    return 0;
}

/* Whether the output is about the trace, and all that is to be said of it. */
static bool tells_only(const struct conversion *c)
{
    return c->needs.census != EH_CENSUS_NONE;
}

static int choose_output_name(struct conversion *c)
{
    struct settings *s = &c->settings;
    if (s->output)
        return 0;
    s->output = "-";
    if (tells_only(c) || !strcmp(c->inputs[0], "-"))
        return 0;
    c->default_name = output_default_name(c->inputs[0], c->writer->suffix, s->zstd_level != 0);
    s->output = c->default_name;
    return s->output ? 0 : eh_fail(&c->error, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
}

/* Every file of the output is opened alike. */
static int check_last_file(struct conversion *c)
{
    const struct output *data = pieces_last(&c->data);
    if (!output_same(data, &c->stats))
        return 0;
    return eh_fail(&c->error, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                   "--stats and the output are both %s; name different files", data->name);
}

static int open_outputs(struct conversion *c)
{
    struct settings *s = &c->settings;
    if (choose_output_name(c) < 0)
        return -1;
    if (!s->zstd_level && output_name_is_packed(s->output))
        s->zstd_level = ZSTD_LEVEL_DEFAULT;
    struct output_request request = {
        .path = s->output,
        .option = "-o",
        .force = s->force,
        .binary = c->writer->binary || s->zstd_level,
        .inputs = c->inputs,
        .input_count = c->input_count,
        .together = s->stats || split_is_wanted(&s->split),
    };
    if (pieces_open(&c->data, &request, split_is_wanted(&s->split), &c->error) < 0)
        return -1;
    if (!s->stats)
        return 0;
    request.path = s->stats;
    request.option = "--stats";
    request.binary = false;
    return output_open(&c->stats, &request, &c->error) < 0 ? -1 : check_last_file(c);
}

static int show_progress(void *context, uint64_t done, uint64_t total)
{
    struct report *r = context;
    progress_show(&r->progress, done, total);
    return 0;
}

static int open_reader(struct conversion *c)
{
    const struct eh_options options = {
        .outstanding = c->needs.outstanding,
        .notice = report_notice,
        .progress = show_progress,
        .context = &c->report,
        .census = c->needs.census,
        .max_live = c->settings.max_live,
    };
    return eh_open(&c->reader, c->inputs, c->input_count, &options, &c->error);
}

/* Errors of the sink do not say where it leads. */
static int name_output(struct conversion *c, const struct output *o)
{
    return eh_context(&c->error, "%s", o->name);
}

/* Leads the sink into another file, which is open, and closes the one before. */
static int switch_target(struct conversion *c, struct output *to)
{
    struct output *from = c->target;
    c->target = to;
    out_switch(c->out, to->fd);
    return out_error(c->out, &c->error) < 0 ? name_output(c, from)
                                            : output_close(from, &c->error);
}

static int begin_piece(struct conversion *c)
{
    size_t finished = c->data.count - 1;
    int opened = pieces_open_next(&c->data, &c->error);
    c->target = pieces_at(&c->data, finished); /* files may have moved, also where it failed */
    if (opened < 0 || check_last_file(c) < 0)
        return -1;
    return switch_target(c, pieces_last(&c->data));
}

/* For struct split. */
static void next_piece(void *context)
{
    struct conversion *c = context;
    c->piece_failed = c->piece_failed || begin_piece(c) < 0;
}

static int out_of_memory(struct conversion *c)
{
    return eh_fail(&c->error, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
}

static int begin_writer(struct conversion *c)
{
    struct split *split = &c->settings.split;
    snprintf(c->tool, sizeof c->tool, "%s %s", c->writer->command, ETLHEAP_VERSION);
    split->next = next_piece;
    split->context = c;
    split->pieces = 1;
    c->info = filter_info(&c->filter, eh_info(c->reader));
    if (c->filtered)
        filter_begin(&c->filter, eh_model(c->reader));
    c->context = (struct writer_context){
        .info = &c->info,
        .model = eh_model(c->reader),
        .filter = c->filtered ? &c->filter : NULL,
        .census = eh_census(c->reader),
        .out = c->out,
        .split = split_is_wanted(split) ? split : NULL,
        .tell = report_tell,
        .tell_context = &c->report,
        .tool = c->tool,
    };
    return c->writer->begin(c->state, &c->context, &c->error);
}

/* What has become of a call of the writer. */
static int settle(struct conversion *c, int result)
{
    if (result < 0 || c->piece_failed)
        return -1;
    return out_error(c->out, &c->error) < 0 ? name_output(c, c->target) : 0;
}

static int copy_rows(struct conversion *c)
{
    const struct eh_event *rows;
    size_t count;
    int more;
    while ((more = eh_next(c->reader, &rows, &count, &c->error)) > 0) {
        c->report.progress.rows += count;
        if (c->filtered && filter_rows(&c->filter, &rows, &count) < 0)
            return out_of_memory(c);
        if (settle(c, c->writer->rows(c->state, rows, count, &c->error)) < 0)
            return -1;
    }
    return more;
}

/* Pieces but the last end before the counts are known, and get the rest now. */
static int add_tails(struct conversion *c)
{
    const struct writer *w = c->writer;
    for (size_t i = 0; w->tail && i + 1 < c->data.count; i++) {
        struct output *piece = pieces_at(&c->data, i);
        if (output_reopen(piece, &c->error) < 0 || switch_target(c, piece) < 0 ||
            settle(c, w->tail(c->state, eh_stats(c->reader), &c->error)) < 0)
            return -1;
    }
    return 0;
}

static int close_data(struct conversion *c)
{
    struct out *out = c->out;
    c->out = NULL;
    return out_close(out, &c->error) < 0 ? name_output(c, c->target) : 0;
}

static int convert(struct conversion *c)
{
    const struct writer *w = c->writer;
    c->target = pieces_last(&c->data);
    if (out_open(&c->out, c->target->fd, c->settings.zstd_level,
                 c->settings.threads, &c->error) < 0 ||
        begin_writer(c) < 0 || copy_rows(c) < 0 ||
        settle(c, w->end(c->state, eh_stats(c->reader), &c->error)) < 0 || add_tails(c) < 0)
        return -1;
    return close_data(c);
}

static int write_stats(struct conversion *c)
{
    struct out *out;
    if (!c->settings.stats)
        return 0;
    if (out_open(&out, c->stats.fd, 0, 1, &c->error) < 0)
        return -1;
    report_stats_json(out, eh_stats(c->reader));
    return out_close(out, &c->error) < 0 ? name_output(c, &c->stats) : 0;
}

/* All files get their names, or none. */
static int publish(void *context)
{
    struct conversion *c = context;
    if (pieces_publish(&c->data, &c->error) < 0)
        return -1;
    if (output_publish(&c->stats, &c->error) == 0)
        return 0;
    pieces_withdraw(&c->data, &c->error);
    return -1;
}

/* Everything between the command line and the closing line. All files are complete before the
 * first gets its name. */
static int run(struct conversion *c)
{
    if (check_inputs(c) < 0 || open_outputs(c) < 0 || open_reader(c) < 0 || convert(c) < 0 ||
        write_stats(c) < 0)
        return -1;
    return platform_undisturbed(publish, c);
}

/* An earlier conversion made more pieces. They are not ours to remove. */
static void tell_stray(struct conversion *c)
{
    char text[512];
    char *stray = pieces_stray(&c->data);
    if (stray) {
        snprintf(text, sizeof text, "%s is of an earlier conversion and no part of this one",
                 stray);
        report_tell(&c->report, EH_WARNING, text);
    }
    free(stray);
}

static void print_summary(struct conversion *c)
{
    char remark[WRITER_REMARK_BYTES] = "";
    if (c->writer->remark)
        c->writer->remark(c->state, remark);
    report_summary(&c->report, pieces_title(&c->data), eh_model(c->reader), eh_stats(c->reader),
                   c->filtered ? &c->filter.shown : NULL, remark);
}

static int conclude(struct conversion *c)
{
    const struct eh_stats *stats = eh_stats(c->reader);
    struct report *r = &c->report;
    progress_erase(&r->progress);
    report_unprinted(r);
    tell_stray(c);
    if (!tells_only(c) && stats->heap_events_total == 0)
        report_no_heap_events(r, c->inputs[0]);
    if (c->filtered && stats->heap_events_total && !c->filter.shown)
        report_tell(r, EH_WARNING,
                    "no heap event passes the filters; etlinfo lists processes and heaps, and "
                    "--process takes whole names ('edit*')");
    if (!tells_only(c) && !c->settings.quiet)
        print_summary(c);
    return report_has_loss(r, stats) ? STATUS_DAMAGED : STATUS_DECODED;
}

static void release(struct conversion *c)
{
    if (c->state)
        c->writer->done(c->state);
    free(c->state);
    out_close(c->out, NULL);
    eh_close(c->reader);
    filter_finish(&c->filter);
    pieces_discard(&c->data);
    output_discard(&c->stats);
    free(c->default_name);
}

/* A sample has no counts of events to write. */
static int check_stats(struct conversion *c)
{
    if (c->needs.census == EH_CENSUS_SAMPLE && c->settings.stats)
        return eh_fail(&c->error, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                       "--stats needs all events, which --quick does not read; leave out one of "
                       "them");
    return 0;
}

/* Sums over the whole trace have no time. */
static int check_split(struct conversion *c)
{
    if (!c->settings.split.period_ns || !c->needs.no_events)
        return 0;
    return eh_fail(&c->error, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                   "--split-time cuts the table of events only; for others there are --split-rows "
                   "and --split-size");
}

/* Filters of events have no meaning where rows are sums. */
static int check_filter(struct conversion *c)
{
    const char *option = filter_event_option(&c->filter);
    c->filtered = filter_is_active(&c->filter);
    if (!option || !c->needs.no_events)
        return 0;
    return eh_fail(&c->error, EH_ERR_USAGE, 0, EH_NO_OFFSET,
                   "--%s chooses events, for the table of events only; --pid, --process and --heap "
                   "choose rows in all",
                   option);
}

static int status_of_failure(struct conversion *c)
{
    bool closed_pipe = c->error.code == EH_ERR_IO && c->error.sys == EPIPE;
    if (!closed_pipe)
        report_error(&c->report, &c->error);
    release(c);
    if (closed_pipe)
        platform_die_of_closed_pipe();
    return c->error.code == EH_ERR_USAGE ? STATUS_USAGE : STATUS_FAILED;
}

int convert_main(const struct writer *writer, int argc, char **argv)
{
    struct conversion c = {.writer = writer, .report.command = writer->command};
    platform_start();
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* a message is one write: pipelines share a terminal */
    c.state = calloc(1, writer->state_size + 1);
    if (!c.state) {
        eh_fail(&c.error, EH_ERR_MEMORY, 0, EH_NO_OFFSET, "out of memory");
        return status_of_failure(&c);
    }
    const struct option_group groups[] = {
        {"Options", common_options, set_common, &c.settings},
        {"Format", writer->options, writer->set, c.state},
        {"Filters", writer->filtered ? filter_options : NULL, filter_set, &c.filter},
        {"Pieces", writer->in_pieces ? split_options : NULL, split_set, &c.settings.split},
    };
    const size_t group_count = sizeof groups / sizeof *groups;
    int operands = options_parse(groups, group_count, argc, argv, &c.error);
    if (operands < 0)
        return status_of_failure(&c);
    if (c.settings.help || c.settings.version) {
        release(&c);
        return c.settings.help ? print_help(writer, groups, group_count) : print_version(writer);
    }
    if (writer->check && writer->check(c.state, &c.needs, &c.error) < 0)
        return status_of_failure(&c);
    if (check_stats(&c) < 0 || check_split(&c) < 0 || check_filter(&c) < 0)
        return status_of_failure(&c);
    if (!c.settings.threads)
        c.settings.threads = default_threads();
    c.inputs = (const char *const *)(argv + 1);
    c.input_count = (size_t)operands;
    c.report.quiet = c.settings.quiet;
    c.report.strict = c.settings.strict;
    progress_init(&c.report.progress, !c.settings.quiet && !c.settings.no_progress);
    if (run(&c) < 0)
        return status_of_failure(&c);
    int status = conclude(&c);
    release(&c);
    return status;
}
