/* `etlgen graft`: a copy of a real trace with heap events for processes that really run in it. */
#include "gen.h"
#include "graft_survey.h"
#include "records.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "container/etl_layout.h"
#include "rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    HOSTS = 4,        /* processes that get heap events, at most */
    LANES = 2,        /* processors added for them */
    SITES = 8,        /* call stacks of a process */
    DEPTH = 8,        /* frames of a stack, at most */
    BLOCKS = 1024,    /* live blocks of a process, at most */
    PLAIN_BUFFER = 64 << 10, /* added to traces whose buffers differ in size */
    COPY_BYTES = 1 << 20,
};

struct block {
    uint64_t address;
    uint32_t size;
};

/* A process with a heap. */
struct host {
    const struct graft_process *process;
    uint64_t heap, next_address;
    bool created;
    uint64_t sites[SITES][DEPTH];
    unsigned depths[SITES]; /* 0: no images known, no stacks */
    struct block blocks[BLOCKS];
    size_t block_count;
};

struct graft {
    const char *input, *output;
    uint64_t events, seed;
    struct etl_file file;
    struct graft_survey survey;
    struct trace trace; /* of the added buffers, in a temporary file */
    uint32_t added;     /* buffers */
    struct rng rng;
    struct host hosts[HOSTS];
    size_t host_count;
    int64_t now;
};

/* --- who gets heap events --- */

static int by_rank(const void *a, const void *b)
{
    const struct graft_process *x = a, *y = b;
    if (x->image_count != y->image_count)
        return x->image_count > y->image_count ? -1 : 1;
    if (x->to - x->from != y->to - y->from)
        return x->to - x->from > y->to - y->from ? -1 : 1;
    return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* Innermost ntdll, where the allocator is, then images at random, outermost ntdll again. */
static void make_site(struct graft *g, struct host *h, unsigned site)
{
    const struct graft_process *p = h->process;
    unsigned depth = rng_between(&g->rng, 3, DEPTH);
    for (unsigned i = 0; i < depth; i++) {
        bool edge = i == 0 || i == depth - 1;
        const struct graft_image *image =
            &p->images[edge ? 0 : rng_below(&g->rng, p->image_count)];
        uint64_t code = image->size - 0x1000 < UINT32_MAX ? image->size - 0x1000 : UINT32_MAX;
        h->sites[site][i] = image->base + 0x1000 + rng_below(&g->rng, (uint32_t)code);
    }
    h->depths[site] = depth;
}

static void make_host(struct graft *g, const struct graft_process *p)
{
    struct host *h = &g->hosts[g->host_count++];
    bool narrow = p->wow64 || p->pointer_size == 4;
    h->process = p;
    h->heap = (narrow ? UINT64_C(0x02000000) : UINT64_C(0x1A000000000)) +
              ((uint64_t)rng_below(&g->rng, 0x400) << 16);
    h->next_address = h->heap + 0x860;
    for (unsigned i = 0; i < SITES && p->image_count; i++)
        make_site(g, h, i);
}

/* Adds hosts of names not yet there until there are `count`; `passing` asks for processes that
 * start or end during the trace. */
static void add_hosts(struct graft *g, size_t count, bool passing)
{
    const struct graft_survey *s = &g->survey;
    for (size_t i = 0; i < s->process_count && g->host_count < count; i++) {
        const struct graft_process *p = &s->processes[i];
        bool taken = passing && !p->passing;
        for (size_t j = 0; j < g->host_count; j++)
            taken = taken || strcmp(g->hosts[j].process->name, p->name) == 0;
        if (!taken)
            make_host(g, p);
    }
}

/* Those with the most images and the longest time, and one that comes or goes. */
static void choose_hosts(struct graft *g)
{
    struct graft_survey *s = &g->survey;
    qsort(s->processes, s->process_count, sizeof *s->processes, by_rank);
    add_hosts(g, HOSTS - 1, false);
    add_hosts(g, HOSTS, true);
    add_hosts(g, HOSTS, false);
}

/* --- what happens --- */

static struct origin origin_of(struct graft *g, const struct host *h)
{
    const struct graft_process *p = h->process;
    unsigned lane = rng_below(&g->rng, p->tid_count);
    return (struct origin){
        .cpu = g->survey.processors + lane % LANES,
        .kind = p->wow64 || p->pointer_size == 4 ? REC_SYSTEM32 : REC_SYSTEM64,
        .pid = p->pid,
        .tid = p->tids[lane],
    };
}

/* The kernel writes stacks in its own width, for 32-bit processes too. */
static void write_stack(struct graft *g, const struct host *h, const struct origin *o)
{
    unsigned site = rng_below(&g->rng, SITES);
    unsigned width = h->process->pointer_size;
    size_t size = 16 + (size_t)width * h->depths[site];
    uint8_t *at;

    if (h->depths[site] == 0 || g->trace.failed)
        return;
    at = etl_writer_hook(g->trace.writer, o->cpu, width == 4 ? REC_PERFINFO32 : REC_PERFINFO64, 2,
                         STACK_WALK, 0, 0, g->now + 1, size);
    if (!at) {
        g->trace.failed = true;
        return;
    }
    store_u64(at, (uint64_t)g->now);
    at = put_u32(put_u32(at + 8, o->pid), o->tid);
    for (unsigned i = 0; i < h->depths[site]; i++)
        at = put_pointer(at, width, h->sites[site][i]);
    g->now++;
}

static void write_heap(struct graft *g, const struct origin *o, unsigned hook,
                       const struct heap_call *call)
{
    rec_heap(&g->trace, o, g->now, hook, call);
}

static struct block new_block(struct graft *g, struct host *h)
{
    struct block b = {h->next_address, rng_skewed(&g->rng, 8, 65536)};
    h->next_address += (b.size + 31u) & ~15u;
    return b;
}

static void allocate(struct graft *g, struct host *h, const struct origin *o)
{
    struct block b = new_block(g, h);
    write_heap(g, o, HEAP_ALLOC, &(struct heap_call){.heap = h->heap, .address = b.address,
                                                     .size = b.size, .source = SOURCE_LFH});
    write_stack(g, h, o);
    h->blocks[h->block_count++] = b;
}

static void release(struct graft *g, struct host *h, const struct origin *o)
{
    size_t i = rng_below(&g->rng, (uint32_t)h->block_count);
    write_heap(g, o, HEAP_FREE, &(struct heap_call){.heap = h->heap,
                                                    .address = h->blocks[i].address,
                                                    .source = SOURCE_LFH});
    h->blocks[i] = h->blocks[--h->block_count];
}

/* As Windows logs a block that moves: alloc, free, then the summary. */
static void move(struct graft *g, struct host *h, const struct origin *o)
{
    struct block *old = &h->blocks[rng_below(&g->rng, (uint32_t)h->block_count)];
    struct block b = new_block(g, h);
    write_heap(g, o, HEAP_ALLOC, &(struct heap_call){.heap = h->heap, .address = b.address,
                                                     .size = b.size, .source = SOURCE_MAIN});
    write_stack(g, h, o);
    g->now++;
    write_heap(g, o, HEAP_FREE, &(struct heap_call){.heap = h->heap, .address = old->address,
                                                    .source = SOURCE_MAIN});
    g->now++;
    write_heap(g, o, HEAP_REALLOC,
               &(struct heap_call){.heap = h->heap, .address = b.address, .size = b.size,
                                   .old_address = old->address, .old_size = old->size,
                                   .source = SOURCE_MAIN});
    write_stack(g, h, o);
    *old = b;
}

static void act(struct graft *g, struct host *h)
{
    struct origin o = origin_of(g, h);
    uint32_t dice = rng_below(&g->rng, 100);
    bool room_to_move = g->events - g->trace.heap_events >= 3;

    if (!h->created) {
        h->created = true;
        write_heap(g, &o, HEAP_CREATE,
                   &(struct heap_call){.heap = h->heap, .source = 2, .filler = 0x100000});
    } else if (h->block_count == 0 || (dice < 52 && h->block_count < BLOCKS)) {
        allocate(g, h, &o);
    } else if (dice < 96 || !room_to_move) {
        release(g, h, &o);
    } else {
        move(g, h, &o);
    }
}

/* A process that runs at g->now, or NULL. */
static struct host *running_host(struct graft *g)
{
    size_t first = rng_below(&g->rng, (uint32_t)g->host_count);
    for (size_t i = 0; i < g->host_count; i++) {
        struct host *h = &g->hosts[(first + i) % g->host_count];
        if (h->process->from <= g->now && g->now < h->process->to)
            return h;
    }
    return NULL;
}

/* Events at even distances over the time in which any of the processes runs. */
static void tell_story(struct graft *g)
{
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (size_t i = 0; i < g->host_count; i++) {
        const struct graft_process *p = g->hosts[i].process;
        first = p->from < first ? p->from : first;
        last = p->to > last ? p->to : last;
    }
    uint64_t step = (uint64_t)(last - first) / g->events;
    g->now = first;
    for (uint64_t i = 0; g->trace.heap_events < g->events && g->now < last; i++) {
        int64_t due = first + (int64_t)(i * step);
        g->now = due > g->now && due < last ? due : g->now + 1;
        struct host *h = running_host(g);
        if (h)
            act(g, h);
        if (i > 4 * g->events)
            break;
    }
}

/* --- the file --- */

/* In a trace with packed buffers each has a size of its own, in others all have the same. */
static uint32_t added_buffer_bytes(const struct graft *g)
{
    uint32_t size = g->survey.header->buffer_size;
    for (size_t i = 0; i < g->file.buffer_count; i++) {
        if (g->file.buffers[i].compressed)
            return PLAIN_BUFFER;
    }
    return size >= 512 && size <= LIMIT_BUFFER_BYTES ? size : PLAIN_BUFFER;
}

static int write_added(struct graft *g, FILE *stream)
{
    struct etl_session session;

    etl_session_default(&session);
    session.frequency = g->survey.header->frequency;
    session.clock_type = g->survey.header->clock_type;
    session.buffer_size = added_buffer_bytes(g);
    g->trace.output = (struct gen_output){.stream = stream, .file.name = "temporary file"};
    g->trace.nowhere = calloc(1, 65536);
    if (g->trace.nowhere)
        g->trace.writer = etl_writer_continue(stream, &session, g->survey.last_sequence + 1);
    if (!g->trace.writer) {
        free(g->trace.nowhere);
        return gen_fail("out of memory");
    }
    tell_story(g);
    int status = trace_close(&g->trace);
    g->added = (uint32_t)(ftello(stream) / session.buffer_size);
    return status;
}

/* Overwrites what of the four bytes at `place` lies in the chunk that begins at `offset`. */
static void patch_u32(uint8_t *chunk, int64_t offset, size_t length, int64_t place, uint32_t value)
{
    uint8_t bytes[4];
    store_u32(bytes, value);
    for (int i = 0; i < 4; i++) {
        if (place + i >= offset && place + i < offset + (int64_t)length)
            chunk[place + i - offset] = bytes[i];
    }
}

static int copy_input(struct graft *g, FILE *to, uint8_t *chunk)
{
    const struct graft_survey *s = &g->survey;
    int64_t log = s->header_offset + BUF_HEADER_BYTES + SYSTEM_BYTES;
    uint32_t processors = s->processors + LANES;
    struct eh_error e = {0};

    if (processors < s->header->processors)
        processors = s->header->processors;
    for (int64_t at = 0; at < s->end_offset;) {
        size_t want = s->end_offset - at < COPY_BYTES ? (size_t)(s->end_offset - at) : COPY_BYTES;
        int64_t n = source_read(g->file.source, at, chunk, want, &e);
        if (n <= 0)
            return gen_fail("%s: %s", g->input, n < 0 ? e.text : "became shorter");
        patch_u32(chunk, at, (size_t)n, log + LOG_PROCESSORS, processors);
        if (s->header->buffers_written)
            patch_u32(chunk, at, (size_t)n, log + LOG_BUFFERS_WRITTEN,
                      s->header->buffers_written + g->added);
        fwrite(chunk, 1, (size_t)n, to); /* gen_output_close reports failures */
        at += n;
    }
    return GEN_OK;
}

static int copy_added(FILE *from, FILE *to, uint8_t *chunk)
{
    size_t n;
    rewind(from);
    while ((n = fread(chunk, 1, COPY_BYTES, from)) > 0)
        fwrite(chunk, 1, n, to);
    return ferror(from) ? gen_fail("temporary file: %s", strerror(errno)) : GEN_OK;
}

static int write_output(struct graft *g, FILE *added)
{
    struct gen_output output;
    uint8_t *chunk = malloc(COPY_BYTES);
    int status = chunk ? GEN_OK : gen_fail("out of memory");

    if (status == GEN_OK)
        status = gen_output_open(&output, g->output, NULL);
    if (status == GEN_OK) {
        status = copy_input(g, output.stream, chunk);
        if (status == GEN_OK)
            status = copy_added(added, output.stream, chunk);
        int closed = gen_output_close(&output, status == GEN_OK);
        status = status == GEN_OK ? closed : status;
    }
    free(chunk);
    return status;
}

static int check_survey(const struct graft *g)
{
    const struct graft_survey *s = &g->survey;
    if (s->cut)
        return gen_fail("%s: ends inside a buffer, nothing can be added behind it", g->input);
    if (s->process_count == 0)
        return gen_fail("%s: no process record names a program, so there is nobody to give heap "
                        "events to", g->input);
    if (s->processors + LANES > 2048)
        return gen_fail("%s: no processor numbers are left", g->input);
    return GEN_OK;
}

static void report(const struct graft *g)
{
    fprintf(stderr, "etlgen: %s: %llu heap events for", g->output ? g->output : "standard output",
            (unsigned long long)g->trace.heap_events);
    for (size_t i = 0; i < g->host_count; i++)
        fprintf(stderr, " %s (%u)", g->hosts[i].process->name, (unsigned)g->hosts[i].process->pid);
    fputc('\n', stderr);
}

static int graft_open_file(struct graft *g)
{
    FILE *added = NULL;
    int status = check_survey(g);

    if (status == GEN_OK && !(added = tmpfile()))
        status = gen_fail("temporary file: %s", strerror(errno));
    if (status == GEN_OK) {
        choose_hosts(g);
        status = write_added(g, added);
    }
    if (status == GEN_OK)
        status = write_output(g, added);
    if (status == GEN_OK)
        report(g);
    if (added)
        fclose(added);
    return status;
}

static int run_graft(struct graft *g)
{
    struct etl_counts counts = {0};
    struct notices silent = {0};
    struct eh_error e = {0};
    int status;

    if (etl_file_open(&g->file, g->input, &counts, &silent, NULL, NULL, &e) < 0)
        return gen_fail("%s: %s", g->input, e.text);
    g->rng.state = g->seed;
    if (g->output && strcmp(g->output, "-") != 0 && source_same_file(g->file.source, g->output))
        status = gen_fail("%s: is the input", g->output);
    else if (graft_survey(&g->survey, &g->file, &e) < 0)
        status = gen_fail("%s: %s", g->input, e.text);
    else
        status = graft_open_file(g);
    graft_survey_finish(&g->survey);
    etl_file_close(&g->file);
    return status;
}

static int print_help(void)
{
    puts("Usage: etlgen graft REAL.etl [OPTIONS] [-o FILE.etl]\n"
         "\n"
         "Copies a real trace (zstd is unpacked) and adds buffers with heap events of up\n"
         "to four processes that run in it, inside their time: a heap each, allocs, frees,\n"
         "reallocs, and stacks in images that they have loaded. Names, images and clocks\n"
         "stay the real ones. The events come from two processors more than the trace has.\n"
         "\n"
         "      --events N     heap events (default: 20000)\n"
         "      --seed S       another seed gives another trace (default: 1)\n"
         "  -o, --output FILE  where the trace goes (default: standard output)\n"
         "  -h, --help         this text\n"
         "\n"
         "Example:\n"
         "  etlgen graft kernel.etl.zst --events 5000 -o grafted.etl");
    return gen_finish_text();
}

/* GEN_OK; -1 where help was asked for; else GEN_USAGE with a message printed. */
static int take_option(struct graft *g, int option)
{
    switch (option) {
    case 'o':
        g->output = optarg;
        return GEN_OK;
    case 'r':
        return gen_number("graft", "--seed", optarg, &g->seed);
    case 'e':
        if (gen_number("graft", "--events", optarg, &g->events) != GEN_OK)
            return GEN_USAGE;
        if (g->events == 0 || g->events > UINT32_MAX)
            return gen_usage("graft", "--events %s: 1 to %u", optarg, UINT32_MAX);
        return GEN_OK;
    default:
        return option == 'h' ? -1 : GEN_USAGE;
    }
}

static int take_arguments(struct graft *g, int argc, char **argv)
{
    static const struct option options[] = {GEN_COMMON_OPTIONS,
                                            {"events", required_argument, NULL, 'e'},
                                            {"seed", required_argument, NULL, 'r'},
                                            {0}};
    int option, status = GEN_OK;
    while (status == GEN_OK && (option = gen_next_option(argc, argv, options)) != -1)
        status = take_option(g, option);
    if (status != GEN_OK)
        return status;
    if (optind == argc)
        return gen_usage("graft", "which trace?");
    if (optind + 1 < argc)
        return gen_usage("graft", "one trace at a time");
    g->input = argv[optind];
    return GEN_OK;
}

int gen_graft(int argc, char **argv)
{
    struct graft *g = calloc(1, sizeof *g);
    if (!g)
        return gen_fail("out of memory");
    g->events = 20000;
    g->seed = 1;
    int status = take_arguments(g, argc, argv);
    if (status == GEN_OK)
        status = run_graft(g);
    free(g);
    return status < 0 ? print_help() : status;
}
