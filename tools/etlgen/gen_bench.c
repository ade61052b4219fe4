/* `etlgen bench`: many plausible heap events, written as fast as possible. Time only goes forward
 * from record to record, on all processors together. */
#include "agenda.h"
#include "base/array.h"
#include "container/etl_layout.h"
#include "gen.h"
#include "records.h"
#include "rng.h"

#include <stdlib.h>

enum {
    PROCESSES = 3,
    HEAPS = 8,
    THREADS_PER_PROCESS = 6,
    MODULES = 12,
    STACK_DEPTH = 15,
    SMALLEST = 16,
    LARGEST = 65536,
    SMALLEST_CLASS = 4, /* log2 of the smallest block */
    CLASSES = 18,
    MAX_TICKS_APART = 10, /* between heap events: 0.1 to 1 microsecond */
    /* With stacks, each of which keeps its processor busy: so far apart that with four processors
     * four of five stacks follow their event at once. In real traces it is 64 and 94 of 100. */
    MAX_TICKS_APART_WITH_STACKS = 150,
    NO_SLOT = UINT32_MAX,
};

struct bench_options {
    const char *path;
    uint64_t events, live, processors, stack_count, seed;
    bool stacks, compress;
};

static const struct {
    struct process_facts facts;
    unsigned kind; /* of its records */
} processes[PROCESSES] = {
    {{2100, 4, 0xFFFFD38410A0B080, "server.exe", "server.exe --port 8080"}, REC_SYSTEM64},
    {{2200, 4, 0xFFFFD38411C0D0C0, "client.exe", "client.exe --all"}, REC_SYSTEM64},
    {{2300, 4, 0xFFFFD38412E0F100, "legacy.exe", "legacy.exe"}, REC_SYSTEM32},
};

/* `share` is how many of 100 allocs go there. */
static const struct {
    uint64_t handle, end;
    uint8_t process, share;
} heaps[HEAPS] = {
    {0x1A400000000, 0x2A400000000, 0, 35}, {0x2A500000000, 0x3A500000000, 0, 15},
    {0x3A600000000, 0x4A600000000, 0, 8},  {0x5A700000000, 0x6A700000000, 0, 2},
    {0x1C400000000, 0x2C400000000, 1, 22}, {0x3C500000000, 0x4C500000000, 1, 12},
    {0x00B60000, 0x3FFF0000, 2, 4},        {0x40000000, 0x7FFF0000, 2, 2},
};

/* A place for a block; it is given out again to blocks of its class. */
struct slot {
    uint64_t address;
    uint32_t size, next_free;
    uint8_t heap, class;
};

struct bench {
    struct trace trace;
    struct agenda stacks_due;
    struct rng rng;
    const struct bench_options *options;
    int64_t clock;
    bool failed;
    struct slot *slots;
    size_t slot_count, slot_room;
    uint32_t *live; /* slots of live blocks, in no order */
    size_t live_count, live_room;
    struct {
        uint64_t next;
        uint32_t free[CLASSES];
    } heaps[HEAPS];
    uint8_t heap_lots[100];
    uint16_t cpu[PROCESSES][THREADS_PER_PROCESS];
    uint64_t *frames; /* STACK_DEPTH of each stack */
};

/* ---- stacks ---- */

static uint64_t module_base(unsigned process, unsigned module)
{
    if (processes[process].kind == REC_SYSTEM32)
        return 0x60000000 + 0x1000000 * (uint64_t)module;
    return UINT64_C(0x7FFB00000000) + 0x10000000 * (uint64_t)process + 0x1000000 * (uint64_t)module;
}

static uint32_t first_stack(const struct bench_options *o, unsigned process)
{
    return (uint32_t)(o->stack_count * process / PROCESSES);
}

static uint32_t pick_stack(struct bench *b, unsigned process)
{
    uint32_t first = first_stack(b->options, process);
    uint32_t count = first_stack(b->options, process + 1) - first;
    uint32_t one = rng_below(&b->rng, count), other = rng_below(&b->rng, count);
    return first + (one < other ? one : other); /* some are hotter than others */
}

/* A call tree: the outer frames are shared by many stacks, the inner ones by few. */
static uint64_t tree_frame(unsigned process, uint32_t stack, unsigned from_root)
{
    uint32_t branch = from_root < 4 ? 0 : from_root < 8 ? stack % 16 : stack;
    struct rng rng = {(uint64_t)process << 48 | (uint64_t)branch << 16 | from_root};
    unsigned module = from_root + 2 >= STACK_DEPTH ? 0 : 1 + rng_below(&rng, MODULES - 1);
    return module_base(process, module) + 0x1000 + rng_below(&rng, 0xE0000);
}

static bool build_stacks(struct bench *b)
{
    const struct bench_options *o = b->options;
    b->frames = calloc((size_t)o->stack_count * STACK_DEPTH, sizeof *b->frames);
    if (!b->frames)
        return false;
    for (unsigned process = 0; process < PROCESSES; process++) {
        for (uint32_t s = first_stack(o, process); s < first_stack(o, process + 1); s++) {
            for (unsigned i = 0; i < STACK_DEPTH; i++)
                b->frames[(size_t)s * STACK_DEPTH + i] =
                    tree_frame(process, s, STACK_DEPTH - 1 - i);
        }
    }
    return true;
}

static void log_stack(struct bench *b, const struct agenda_item *item)
{
    struct stack_of of = {item->about, item->pid, item->tid};
    struct frames frames = {b->frames + (size_t)item->id * STACK_DEPTH, STACK_DEPTH};
    rec_stack(&b->trace, item->cpu, item->due, &of, &frames);
}

static void log_stacks_until(struct bench *b, int64_t raw)
{
    const struct agenda_item *first;
    while ((first = agenda_first(&b->stacks_due)) && first->due <= raw) {
        struct agenda_item item = agenda_take(&b->stacks_due);
        log_stack(b, &item);
    }
}

/* ---- heap calls ---- */

static struct origin caller(struct bench *b, unsigned process)
{
    uint32_t thread = rng_below(&b->rng, THREADS_PER_PROCESS);
    uint16_t *cpu = &b->cpu[process][thread];
    if (rng_chance(&b->rng, 2))
        *cpu = (uint16_t)rng_below(&b->rng, (uint32_t)b->options->processors);
    uint32_t pid = processes[process].facts.pid;
    return (struct origin){*cpu, processes[process].kind, pid, pid + 4 + 4 * thread};
}

static uint32_t ticks_apart(const struct bench_options *o)
{
    return o->stacks ? MAX_TICKS_APART_WITH_STACKS : MAX_TICKS_APART;
}

static void log_call(struct bench *b, const struct origin *o, unsigned process, unsigned hook,
                     const struct heap_call *call)
{
    b->clock += rng_between(&b->rng, 1, ticks_apart(b->options));
    log_stacks_until(b, b->clock);
    rec_heap(&b->trace, o, b->clock, hook, call);
    if (!b->options->stacks)
        return;
    struct agenda_item item = {.due = b->clock + rng_between(&b->rng, 15, 100), .about = b->clock,
                               .id = pick_stack(b, process), .pid = o->pid, .tid = o->tid,
                               .cpu = o->cpu};
    if (!agenda_add(&b->stacks_due, item))
        b->failed = true;
}

/* Mostly small: each power of two is five eighths as likely to be passed as to be reached. */
static uint32_t pick_size(struct bench *b)
{
    uint32_t octave = SMALLEST;
    while (octave < LARGEST / 2 && rng_below(&b->rng, 8) < 5)
        octave *= 2;
    return rng_between(&b->rng, octave, 2 * octave);
}

static uint8_t class_of(uint32_t size)
{
    uint8_t class = SMALLEST_CLASS;
    while ((1u << class) < size)
        class++;
    return class;
}

/* A slot for a block of `size` bytes in `heap`, or in heap 0 where that one's addresses ran out. */
static uint32_t take_slot(struct bench *b, unsigned heap, uint32_t size)
{
    uint8_t class = class_of(size);
    if (b->heaps[heap].free[class] == NO_SLOT &&
        b->heaps[heap].next + ((uint64_t)1 << class) > heaps[heap].end)
        heap = 0;
    uint32_t id = b->heaps[heap].free[class];
    if (id != NO_SLOT) {
        b->heaps[heap].free[class] = b->slots[id].next_free;
    } else {
        if (ARRAY_RESERVE(b->slots, b->slot_room, b->slot_count + 1) < 0) {
            b->failed = true;
            return NO_SLOT;
        }
        id = (uint32_t)b->slot_count++;
        b->slots[id] = (struct slot){b->heaps[heap].next, 0, NO_SLOT, (uint8_t)heap, class};
        b->heaps[heap].next += (uint64_t)1 << class;
    }
    b->slots[id].size = size;
    return id;
}

static struct heap_call call_of(const struct slot *s)
{
    uint32_t source = s->size > LARGEST / 4 ? SOURCE_MAIN : SOURCE_LFH;
    return (struct heap_call){
        .heap = heaps[s->heap].handle, .address = s->address, .size = s->size, .source = source};
}

static void log_alloc(struct bench *b, uint32_t id)
{
    const struct slot *s = &b->slots[id];
    unsigned process = heaps[s->heap].process;
    struct origin o = caller(b, process);
    struct heap_call call = call_of(s);
    log_call(b, &o, process, HEAP_ALLOC, &call);
}

static void log_free(struct bench *b, uint32_t id)
{
    struct slot *s = &b->slots[id];
    unsigned process = heaps[s->heap].process;
    struct origin o = caller(b, process);
    struct heap_call call = call_of(s);
    log_call(b, &o, process, HEAP_FREE, &call);
    s->next_free = b->heaps[s->heap].free[s->class];
    b->heaps[s->heap].free[s->class] = id;
}

static void do_alloc(struct bench *b)
{
    uint32_t id = take_slot(b, b->heap_lots[rng_below(&b->rng, 100)], pick_size(b));
    if (id == NO_SLOT)
        return;
    if (ARRAY_RESERVE(b->live, b->live_room, b->live_count + 1) < 0) {
        b->failed = true;
        return;
    }
    b->live[b->live_count++] = id;
    log_alloc(b, id);
}

static void do_free(struct bench *b)
{
    uint32_t at = rng_below(&b->rng, (uint32_t)b->live_count);
    uint32_t id = b->live[at];
    b->live[at] = b->live[--b->live_count];
    log_free(b, id);
}

static void log_realloc(struct bench *b, const struct slot *new, const struct slot *old,
                        uint32_t old_size)
{
    unsigned process = heaps[new->heap].process;
    struct origin o = caller(b, process);
    struct heap_call call = call_of(new);
    call.old_address = old->address;
    call.old_size = old_size;
    log_call(b, &o, process, HEAP_REALLOC, &call);
}

static void do_realloc_in_place(struct bench *b)
{
    struct slot *s = &b->slots[b->live[rng_below(&b->rng, (uint32_t)b->live_count)]];
    uint32_t old_size = s->size;
    s->size = rng_between(&b->rng, (1u << s->class) / 2 + 1, 1u << s->class);
    log_realloc(b, s, s, old_size);
}

/* A moving realloc is logged as alloc, free and a summary. */
static void do_realloc_moving(struct bench *b)
{
    uint32_t *place = &b->live[rng_below(&b->rng, (uint32_t)b->live_count)];
    uint32_t old = *place, size = b->slots[old].size;
    uint32_t larger = size <= LARGEST / 2 ? 2 * size : LARGEST;
    uint32_t new = take_slot(b, b->slots[old].heap, larger);
    if (new == NO_SLOT)
        return;
    *place = new;
    log_alloc(b, new);
    log_free(b, old);
    if (b->slots[new].heap == b->slots[old].heap)
        log_realloc(b, &b->slots[new], &b->slots[old], size);
}

/* Fills up to the live blocks asked for, then keeps their number about steady. */
static void do_something(struct bench *b)
{
    uint64_t live = b->options->live, left = b->options->events - b->trace.heap_events;
    uint32_t allocs = b->live_count < live ? 700 : b->live_count < live + live / 32 + 4 ? 485 : 300;
    uint32_t lot = rng_below(&b->rng, 1000);
    if (b->live_count == 0 || lot < allocs)
        do_alloc(b);
    else if (lot < 985 - 15 || left < 3)
        do_free(b);
    else if (lot < 985)
        do_realloc_in_place(b);
    else
        do_realloc_moving(b);
}

/* ---- the trace ---- */

static void log_images(struct bench *b, const struct origin *o, unsigned process)
{
    static const char letters[] = "abcdefghijkl";
    char path[] = "\\Device\\HarddiskVolume3\\Bench\\module_?.dll", pdb[] = "module_?.pdb";
    for (unsigned i = 0; i < MODULES; i++) {
        path[sizeof path - 6] = pdb[sizeof pdb - 6] = letters[i];
        struct image_facts image = {o->pid, module_base(process, i), 0x100000, 0x65000000 + i, path,
                                    pdb};
        rec_image(&b->trace, o, b->clock, IMAGE_DC_START, &image);
        rec_debug_id(&b->trace, o, b->clock, &image);
    }
}

static void log_process(struct bench *b, unsigned process)
{
    const struct process_facts *p = &processes[process].facts;
    struct origin kernel = {.kind = REC_SYSTEM64, .pid = p->pid, .tid = UINT32_MAX};
    rec_process(&b->trace, &kernel, b->clock, CHANGE_DC_START, 4, p);
    for (unsigned i = 0; i < THREADS_PER_PROCESS; i++) {
        uint32_t tid = p->pid + 4 + 4 * i;
        rec_thread(&b->trace, &kernel, b->clock, CHANGE_DC_START, p->pid, tid,
                   i == 0 ? "main" : NULL);
        b->cpu[process][i] = (uint16_t)rng_below(&b->rng, (uint32_t)b->options->processors);
    }
    if (b->options->stacks)
        log_images(b, &kernel, process);
}

static void create_heap(struct bench *b, unsigned heap)
{
    struct origin o = caller(b, heaps[heap].process);
    struct heap_call call = {.heap = heaps[heap].handle, .source = 2, .filler = 1 << 20};
    b->heaps[heap].next = heaps[heap].handle + 0x1000;
    for (unsigned i = 0; i < CLASSES; i++)
        b->heaps[heap].free[i] = NO_SLOT;
    if (b->trace.heap_events < b->options->events)
        log_call(b, &o, heaps[heap].process, HEAP_CREATE, &call);
}

static void draw_heap_lots(struct bench *b)
{
    unsigned lot = 0;
    for (unsigned heap = 0; heap < HEAPS; heap++) {
        for (unsigned i = 0; i < heaps[heap].share; i++)
            b->heap_lots[lot++] = (uint8_t)heap;
    }
}

static void play(struct bench *b)
{
    for (unsigned i = 0; i < PROCESSES; i++)
        log_process(b, i);
    draw_heap_lots(b);
    for (unsigned i = 0; i < HEAPS; i++)
        create_heap(b, i);
    while (b->trace.heap_events < b->options->events && !b->failed && !b->trace.failed)
        do_something(b);
    log_stacks_until(b, INT64_MAX);
}

static int write_bench(const struct bench_options *options)
{
    struct etl_session session;
    etl_session_default(&session);
    session.processors = (uint32_t)options->processors;
    session.compress = options->compress;
    session.session_name = "Heap benchmark";
    session.end_time = session.start_time + (int64_t)options->events * ticks_apart(options);

    struct bench *b = calloc(1, sizeof *b);
    if (!b)
        return gen_fail("out of memory");
    b->options = options;
    b->rng.state = options->seed;
    b->clock = session.raw_start;
    int status = trace_open(&b->trace, options->path, &session);
    if (status == GEN_OK) {
        b->failed = options->stacks && !build_stacks(b);
        if (!b->failed)
            play(b);
        b->trace.failed = b->trace.failed || b->failed;
        status = trace_close(&b->trace);
    }
    agenda_finish(&b->stacks_due);
    free(b->slots);
    free(b->live);
    free(b->frames);
    free(b);
    return status;
}

static int print_help(void)
{
    puts("Usage: etlgen bench [OPTIONS] [-o FILE.etl]\n"
         "\n"
         "Writes heap events of three processes (one of them 32-bit) on several heaps.\n"
         "\n"
         "  -o, --output FILE    where to (default: standard output)\n"
         "      --events N       heap events (default: 1000000)\n"
         "      --live M         blocks live at a time, about (default: 50000)\n"
         "      --cpus K         processors, 1 to 2048 (default: 4)\n"
         "      --stacks         a stack of 15 frames for each heap event, and images\n"
         "      --stack-count D  different stacks, at least 3 (default: 2000)\n"
         "      --compress       compressed buffers\n"
         "      --seed S         another trace of the same kind (default: 1)\n"
         "  -h, --help           this text");
    return gen_finish_text();
}

/* GEN_OK, or GEN_USAGE with a message printed. */
static int check(const struct bench_options *o)
{
    if (o->processors < 1 || o->processors > 2048)
        return gen_usage("bench", "--cpus: 1 to 2048");
    if (o->stack_count < PROCESSES || o->stack_count > 10000000)
        return gen_usage("bench", "--stack-count: 3 to 10000000");
    if (o->live < 1 || o->live > 1000000000)
        return gen_usage("bench", "--live: 1 to 1000000000");
    if (o->events > UINT64_C(1000000000000))
        return gen_usage("bench", "--events: at most 1000000000000");
    return GEN_OK;
}

int gen_bench(int argc, char **argv)
{
    static const struct option options[] = {GEN_COMMON_OPTIONS,
                                            {"events", required_argument, NULL, 'e'},
                                            {"live", required_argument, NULL, 'l'},
                                            {"cpus", required_argument, NULL, 'c'},
                                            {"stack-count", required_argument, NULL, 'd'},
                                            {"seed", required_argument, NULL, 'r'},
                                            {"stacks", no_argument, NULL, 's'},
                                            {"compress", no_argument, NULL, 'z'},
                                            {0}};
    struct bench_options o = {.events = 1000000, .live = 50000, .processors = 4,
                              .stack_count = 2000, .seed = 1};
    int option, status = GEN_OK;
    while (status == GEN_OK && (option = gen_next_option(argc, argv, options)) != -1) {
        if (option == 'o')
            o.path = optarg;
        else if (option == 'e')
            status = gen_number("bench", "--events", optarg, &o.events);
        else if (option == 'l')
            status = gen_number("bench", "--live", optarg, &o.live);
        else if (option == 'c')
            status = gen_number("bench", "--cpus", optarg, &o.processors);
        else if (option == 'd')
            status = gen_number("bench", "--stack-count", optarg, &o.stack_count);
        else if (option == 'r')
            status = gen_number("bench", "--seed", optarg, &o.seed);
        else if (option == 's')
            o.stacks = true;
        else if (option == 'z')
            o.compress = true;
        else
            return option == 'h' ? print_help() : GEN_USAGE;
    }
    if (status == GEN_OK && optind < argc)
        return gen_usage("bench", "%s: unexpected argument", argv[optind]);
    if (status == GEN_OK)
        status = check(&o);
    return status == GEN_OK ? write_bench(&o) : status;
}
