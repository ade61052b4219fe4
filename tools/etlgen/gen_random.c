/* `etlgen random`: well-formed records in any order and any combination, for comparing decoders.
 * Nearly everything is drawn without a look at what happened before: few processes, heaps and
 * addresses make blocks meet in all the ways that they can.
 *
 * Two rules keep every trace decidable. Times are even, except where a stream steps back, so that
 * no event shares its time and thread with another by chance; and a burst of events with the same
 * time and thread has whole stacks only, in the events' order. */
#include "agenda.h"
#include "base/array.h"
#include "container/etl_layout.h"
#include "gen.h"
#include "records.h"
#include "rng.h"

#include <stdlib.h>
#include <string.h>

enum {
    ACTORS = 5,
    THREADS = 3, /* of each actor */
    HEAPS = 4,
    ADDRESSES = 48,
    STACKS = 300,
    MAX_DEPTH = 24,
    KEYS = 32,
    UNDEFINED_KEYS = 2, /* so many are never defined */
    IMAGE_BASES = 8,
    TICKS_PER_MS = 10000,
    MAX_CPUS = 64,
};

/* What the agenda holds; item.id is a stack, item.extra a key. */
enum what { LOG_STACK, LOG_USER_REFERENCE, LOG_KERNEL_REFERENCE };

enum part { USER, KERNEL, WHOLE, PARTS };

struct random_options {
    const char *path;
    uint64_t events, processors, seed;
    bool stacks;
};

struct actor {
    uint32_t pid, generation;
    bool running, told; /* told: a record has named it */
    char name[40];
};

struct stack {
    uint64_t frames[MAX_DEPTH];
    uint32_t count;
};

struct random {
    struct trace trace;
    struct agenda agenda;
    struct rng rng;
    const struct random_options *options;
    int64_t clock;
    bool failed;
    struct actor actors[ACTORS];
    int64_t last_event[ACTORS][THREADS]; /* raw time */
    uint32_t running[MAX_CPUS];          /* tid last switched to */
    struct stack stacks[PARTS][STACKS];
    uint32_t key_stack[2][KEYS]; /* what a user, a kernel key means now */
};

/* ---- drawing ---- */

static uint32_t below(struct random *r, uint32_t n)
{
    return rng_below(&r->rng, n);
}

static unsigned pick_cpu(struct random *r)
{
    return below(r, (uint32_t)r->options->processors);
}

static uint32_t tid_of(const struct actor *a, uint32_t thread)
{
    return a->pid + 4 + 4 * thread;
}

static uint64_t pick_heap(struct random *r)
{
    return 0x00400000 + 0x01000000 * (uint64_t)below(r, HEAPS);
}

static uint64_t pick_address(struct random *r)
{
    return 0x10000010 + 0x10000 * (uint64_t)below(r, ADDRESSES);
}

static uint64_t pick_size(struct random *r)
{
    return below(r, 50) == 0 ? 0 : rng_skewed(&r->rng, 1, 1 << 20);
}

/* Every source that is known, and one that is not. */
static uint32_t pick_source(struct random *r)
{
    return 1 + below(r, 7);
}

static unsigned pick_kind(struct random *r)
{
    static const uint8_t kinds[] = {REC_SYSTEM64,  REC_SYSTEM64,  REC_SYSTEM64, REC_SYSTEM64,
                                    REC_SYSTEM64,  REC_SYSTEM64,  REC_SYSTEM64, REC_SYSTEM64,
                                    REC_SYSTEM32,  REC_SYSTEM32,  REC_SYSTEM32, REC_COMPACT64,
                                    REC_COMPACT32, REC_FULL64,    REC_FULL32,   REC_PERFINFO64};
    return kinds[below(r, sizeof kinds)];
}

static bool is_perfinfo(unsigned kind)
{
    return kind == REC_PERFINFO32 || kind == REC_PERFINFO64;
}

/* ---- time ---- */

static void log_due(struct random *r, int64_t raw);

static void advance(struct random *r, uint32_t steps)
{
    r->clock += 2 * (int64_t)steps;
    log_due(r, r->clock);
}

/* Often not at all, so that processors share times; seldom far, so that things grow old. */
static void pass_time(struct random *r)
{
    uint32_t lot = below(r, 100);
    if (lot < 25)
        return;
    advance(r, lot < 85   ? rng_between(&r->rng, 1, 15)
               : lot < 99 ? rng_between(&r->rng, 15, 1500)
                          : rng_between(&r->rng, 1, 10 * TICKS_PER_MS));
}

/* ---- stacks ---- */

static void draw_frames(struct random *r, struct stack *stack, bool kernel, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t user = 0x7FF600000000 + 0x1000000 * (uint64_t)below(r, IMAGE_BASES);
        uint64_t base = kernel ? UINT64_C(0xFFFFF80312400000) : user;
        stack->frames[stack->count++] = base + 0x10 * (uint64_t)below(r, 64 << (i / 2));
    }
}

static void draw_stacks(struct random *r)
{
    for (int i = 0; i < STACKS; i++) {
        draw_frames(r, &r->stacks[USER][i], false, rng_between(&r->rng, 1, MAX_DEPTH));
        draw_frames(r, &r->stacks[KERNEL][i], true, rng_between(&r->rng, 1, 4));
        draw_frames(r, &r->stacks[WHOLE][i], true, rng_between(&r->rng, 1, 4));
        draw_frames(r, &r->stacks[WHOLE][i], false, rng_between(&r->rng, 1, MAX_DEPTH - 4));
    }
    for (int i = 0; i < KEYS; i++) {
        r->key_stack[USER][i] = below(r, STACKS);
        r->key_stack[KERNEL][i] = below(r, STACKS);
    }
}

static struct frames frames_of(const struct stack *stack)
{
    return (struct frames){stack->frames, stack->count};
}

static uint64_t key_number(uint32_t key)
{
    return UINT64_C(0xFFFFA10B3C401000) + 0x60 * (uint64_t)key;
}

static void plan(struct random *r, struct agenda_item item)
{
    if (!agenda_add(&r->agenda, item))
        r->failed = true;
}

static void log_item(struct random *r, const struct agenda_item *item)
{
    struct stack_of of = {item->about, item->pid, item->tid};
    if (item->what == LOG_STACK) {
        struct frames frames = frames_of(&r->stacks[item->extra][item->id]);
        rec_stack(&r->trace, item->cpu, item->due, &of, &frames);
        return;
    }
    unsigned hook = item->what == LOG_KERNEL_REFERENCE ? STACK_KEY_KERNEL : STACK_KEY_USER;
    rec_stack_reference(&r->trace, item->cpu, item->due, hook, &of, key_number(item->extra));
}

static void log_due(struct random *r, int64_t raw)
{
    const struct agenda_item *first;
    while ((first = agenda_first(&r->agenda)) && first->due <= raw) {
        struct agenda_item item = agenda_take(&r->agenda);
        log_item(r, &item);
    }
}

/* One part of a stack, in full or by key, mostly soon and on the same processor. */
static void plan_part(struct random *r, struct agenda_item item, enum part part)
{
    item.due += rng_between(&r->rng, 15, 100);
    if (below(r, 30) == 0)
        item.due += below(r, 390 * TICKS_PER_MS);
    if (below(r, 8) == 0)
        item.cpu = pick_cpu(r);
    item.what = LOG_STACK;
    item.id = below(r, STACKS);
    item.extra = part;
    if (part != WHOLE && below(r, 5) == 0) {
        item.what = part == KERNEL ? LOG_KERNEL_REFERENCE : LOG_USER_REFERENCE;
        item.extra = below(r, KEYS);
    }
    plan(r, item);
    if (item.what == LOG_STACK && below(r, 40) == 0) { /* logged twice */
        item.due += 5;
        plan(r, item);
    }
}

static void plan_stack(struct random *r, const struct origin *o, int64_t raw)
{
    struct agenda_item item = {
        .due = raw, .about = raw, .pid = o->pid, .tid = o->tid, .cpu = o->cpu};
    uint32_t lot = below(r, 100);
    if (lot < 20)
        return; /* none */
    if (lot >= 85) {
        plan_part(r, item, WHOLE);
        return;
    }
    if (lot < 60)
        plan_part(r, item, USER);
    if (lot >= 40)
        plan_part(r, item, KERNEL);
    if (lot >= 62)
        plan_part(r, item, USER);
}

/* A stack key is taken back, and stands for another stack from now on. */
static void define_key(struct random *r, enum part part, uint32_t key, unsigned hook)
{
    struct frames frames = frames_of(&r->stacks[part][r->key_stack[part][key]]);
    rec_stack_definition(&r->trace, pick_cpu(r), r->clock, hook, key_number(key), &frames);
    r->key_stack[part][key] = below(r, STACKS);
}

static void do_key(struct random *r)
{
    enum part part = below(r, 2) ? KERNEL : USER;
    uint32_t key = UNDEFINED_KEYS + below(r, KEYS - UNDEFINED_KEYS);
    if (r->options->stacks)
        define_key(r, part, key, below(r, 4) ? STACK_KEY_DELETE : STACK_KEY_CREATE);
}

/* ---- heap calls ---- */

/* A caller whose time and thread no other event has; PERFINFO records, which do not name their
 * thread, get a time of their own. */
static struct origin pick_caller(struct random *r)
{
    uint32_t actor = below(r, ACTORS), thread = below(r, THREADS);
    unsigned kind = pick_kind(r);
    if (is_perfinfo(kind) || r->last_event[actor][thread] >= r->clock)
        advance(r, 1);
    r->last_event[actor][thread] = r->clock;
    const struct actor *a = &r->actors[actor];
    return (struct origin){pick_cpu(r), kind, a->pid, tid_of(a, thread)};
}

static void log_call(struct random *r, const struct origin *o, unsigned hook,
                     const struct heap_call *call)
{
    int64_t raw = r->clock;
    bool back = below(r, 500) == 0;
    if (back)
        raw -= 1 + 2 * (int64_t)below(r, 500);
    rec_heap(&r->trace, o, raw, hook, call);
    if (r->options->stacks && !back)
        plan_stack(r, o, raw);
    if (is_perfinfo(o->kind))
        advance(r, 1);
}

static struct heap_call draw_call(struct random *r)
{
    return (struct heap_call){.heap = pick_heap(r), .address = pick_address(r),
                              .size = pick_size(r), .old_address = pick_address(r),
                              .old_size = pick_size(r), .filler = 0x1000 * (uint64_t)below(r, 64),
                              .source = pick_source(r),
                              .pid = r->actors[below(r, ACTORS)].pid};
}

static void do_hook(struct random *r, unsigned hook)
{
    struct origin o = pick_caller(r);
    struct heap_call call = draw_call(r);
    log_call(r, &o, hook, &call);
}

static void do_alloc(struct random *r)
{
    do_hook(r, HEAP_ALLOC);
}

static void do_free(struct random *r)
{
    do_hook(r, HEAP_FREE);
}

static void do_create(struct random *r)
{
    do_hook(r, HEAP_CREATE);
}

static void do_destroy(struct random *r)
{
    do_hook(r, HEAP_DESTROY);
}

/* An alloc that failed, or a free of nothing. */
static void do_null(struct random *r)
{
    struct origin o = pick_caller(r);
    struct heap_call call = draw_call(r);
    call.address = 0;
    log_call(r, &o, below(r, 3) ? HEAP_ALLOC : HEAP_FREE, &call);
}

/* A block is freed only just after another took its place. */
static void do_late_free(struct random *r)
{
    struct origin o = pick_caller(r);
    struct heap_call call = draw_call(r);
    log_call(r, &o, HEAP_ALLOC, &call);
    for (int i = 0; i < 2; i++) {
        o.cpu = pick_cpu(r);
        advance(r, rng_between(&r->rng, 1, i == 0 ? 50 : TICKS_PER_MS * 6 / 10));
        log_call(r, &o, i == 0 ? HEAP_ALLOC : HEAP_FREE, &call);
    }
    advance(r, 1);
}

static void do_realloc(struct random *r)
{
    struct origin o = pick_caller(r);
    struct heap_call call = draw_call(r);
    uint32_t lot = below(r, 10);
    if (lot < 6)
        call.old_address = call.address;
    else if (lot == 6)
        call.address = 0;
    log_call(r, &o, HEAP_REALLOC, &call);
}

/* The three records of a moving realloc, now and then without the free. */
static void do_moving_realloc(struct random *r)
{
    struct origin o = pick_caller(r);
    struct heap_call call = draw_call(r), old = call;
    old.address = call.old_address;
    log_call(r, &o, HEAP_ALLOC, &call);
    advance(r, 17);
    if (below(r, 6))
        log_call(r, &o, HEAP_FREE, &old);
    advance(r, 2);
    log_call(r, &o, HEAP_REALLOC, &call);
    advance(r, 1);
}

/* Several events of one thread at one time; each may have a whole stack, in their order. */
static void do_burst(struct random *r)
{
    struct origin o = pick_caller(r);
    o.kind = below(r, 4) ? REC_SYSTEM64 : REC_SYSTEM32;
    struct agenda_item item = {.due = r->clock + 15, .about = r->clock, .what = LOG_STACK,
                               .extra = USER, .pid = o.pid, .tid = o.tid, .cpu = o.cpu};
    for (uint32_t left = rng_between(&r->rng, 2, 4); left > 0; left--) {
        struct heap_call call = draw_call(r);
        rec_heap(&r->trace, &o, r->clock, below(r, 3) ? HEAP_ALLOC : HEAP_FREE, &call);
        item.id = (item.id + 1 + below(r, STACKS / 8)) % STACKS; /* unlike the one before */
        item.due++;
        if (r->options->stacks && left > 1)
            plan(r, item);
    }
}

/* Any layout of any heap record. */
static void do_layout(struct random *r)
{
    struct origin o = pick_caller(r);
    struct heap_call call = draw_call(r);
    rec_heap_layout(&r->trace, &o, r->clock, below(r, (uint32_t)heap_layouts()), &call);
    if (is_perfinfo(o.kind))
        advance(r, 1);
}

static void do_unknown(struct random *r)
{
    static const uint16_t hooks[] = {0x1027, 0x1028, 0x1029, 0x1037, 0x10F0};
    struct origin o = pick_caller(r);
    o.kind = REC_SYSTEM64;
    rec_heap_blank(&r->trace, &o, r->clock, hooks[below(r, 5)], 8 * (size_t)below(r, 5));
}

/* ---- processes, threads, images ---- */

static struct process_facts facts_of(const struct actor *a)
{
    uint64_t key = UINT64_C(0xFFFFD38400000000) + 0x1000 * (uint64_t)a->pid + a->generation * 0x40;
    return (struct process_facts){a->pid, 4, key, a->name, "synthetic --quoted \"a,b\""};
}

static void log_process(struct random *r, struct actor *a, unsigned change)
{
    struct process_facts facts = facts_of(a);
    a->told = true;
    bool narrow = a == &r->actors[ACTORS - 1]; /* always: a key is cut to the record's width */
    struct origin o = {pick_cpu(r), narrow ? REC_SYSTEM32 : REC_SYSTEM64, 4, 8};
    rec_process(&r->trace, &o, r->clock, change, rng_between(&r->rng, 2, 4), &facts);
}

static void new_generation(struct random *r, struct actor *a)
{
    static const char *const forms[] = {"app%u_%u.exe", "we,ird \"%u\" %u.exe",
                                        "M\xC3\xBCller%u-%u.exe", "tab\t%u'%u.exe", "=cmd%u+%u"};
    a->generation++;
    a->told = false;
    snprintf(a->name, sizeof a->name, forms[below(r, 5)], a->pid, a->generation);
}

static void log_threads(struct random *r, const struct actor *a, unsigned change)
{
    struct origin o = {pick_cpu(r), REC_SYSTEM64, a->pid, tid_of(a, 0)};
    for (uint32_t thread = 0; thread < THREADS; thread++)
        rec_thread(&r->trace, &o, r->clock, change, a->pid, tid_of(a, thread),
                   thread == 1 ? "early" : NULL);
}

static void switch_to(struct random *r, unsigned cpu, uint32_t tid)
{
    rec_switch(&r->trace, cpu, r->clock, tid, r->running[cpu]);
    r->running[cpu] = tid;
}

/* A process ends after its threads, and none of them stays on a processor. */
static void end_process(struct random *r, struct actor *a)
{
    for (unsigned cpu = 0; cpu < r->options->processors; cpu++) {
        if (r->running[cpu] >= a->pid && r->running[cpu] <= tid_of(a, THREADS))
            switch_to(r, cpu, 0);
    }
    log_threads(r, a, CHANGE_END);
    advance(r, 1);
    log_process(r, a, CHANGE_END);
    a->running = false;
}

/* Start, end, a start over a running instance, or the same start once more. */
static void do_process(struct random *r)
{
    struct actor *a = &r->actors[below(r, ACTORS)];
    uint32_t lot = below(r, 10);
    advance(r, 1);
    if (a->running && lot < 6) {
        end_process(r, a);
        return;
    }
    bool again = a->running && a->told && lot >= 8;
    if (!again)
        new_generation(r, a);
    log_process(r, a, CHANGE_START);
    a->running = true;
    advance(r, 1);
    if (!again)
        log_threads(r, a, CHANGE_START);
    advance(r, 1);
}

static void do_thread_name(struct random *r)
{
    static const char *const names[] = {"worker", "", "r\xC3\xA9nder \"1\"", "pool, 2"};
    const struct actor *a = &r->actors[below(r, ACTORS)];
    rec_thread_name(&r->trace, pick_cpu(r), r->clock, a->pid, tid_of(a, below(r, THREADS)),
                    names[below(r, 4)]);
}

static void do_switch(struct random *r)
{
    const struct actor *a = &r->actors[below(r, ACTORS)];
    bool idle = !a->running || below(r, 6) == 0;
    switch_to(r, pick_cpu(r), idle ? 0 : tid_of(a, below(r, THREADS)));
}

/* Images come and go at the same few bases; each at a time of its own, because stacks are read by
 * what lies at an address at their event's time. */
static void do_image(struct random *r)
{
    static const char *const paths[] = {"\\Device\\HarddiskVolume3\\App\\one.dll",
                                        "\\Device\\HarddiskVolume3\\App\\two.dll",
                                        "\\SystemRoot\\System32\\three.dll", "four, \"v4\".dll"};
    static const uint16_t hooks[] = {IMAGE_LOAD, IMAGE_LOAD, 0x030A, IMAGE_UNLOAD};
    uint32_t which = below(r, 4);
    struct image_facts image = {
        .pid = r->actors[below(r, ACTORS)].pid, .path = paths[which], .pdb = "some.pdb",
        .base = 0x7FF600000000 + 0x1000000 * (uint64_t)below(r, IMAGE_BASES),
        .size = 0x1000 + 0x10000 * (uint64_t)below(r, 16), .time_stamp = 0x65000000 + which};
    if (!r->options->stacks)
        return;
    advance(r, 1);
    struct origin o = {pick_cpu(r), below(r, 2) ? REC_SYSTEM64 : REC_PERFINFO64, image.pid, 8};
    rec_image(&r->trace, &o, r->clock, hooks[below(r, 4)], &image);
    if (below(r, 2))
        rec_debug_id(&r->trace, &o, r->clock, &image);
    advance(r, 1);
}

/* Some processes are named at the start, some only by the rundown at the end, some never. */
static void introduce(struct random *r)
{
    struct origin kernel = {.kind = REC_SYSTEM64, .pid = 0, .tid = UINT32_MAX};
    struct image_facts image = {0, UINT64_C(0xFFFFF80312400000), 0x1046000, 0x65A1B2C3,
                                "\\SystemRoot\\system32\\ntoskrnl.exe", "ntkrnlmp.pdb"};
    rec_volume(&r->trace, &kernel, r->clock, "\\Device\\HarddiskVolume3", "C:");
    rec_image(&r->trace, &kernel, r->clock, IMAGE_DC_START, &image);
    for (uint32_t i = 0; i < ACTORS; i++) {
        struct actor *a = &r->actors[i];
        a->pid = 1000 + 100 * i;
        a->running = i < 3;
        new_generation(r, a);
        if (i < 2)
            log_process(r, a, CHANGE_DC_START);
        if (a->running)
            log_threads(r, a, CHANGE_DC_START);
    }
    advance(r, 1);
}

static void run_down(struct random *r)
{
    while (agenda_first(&r->agenda))
        advance(r, TICKS_PER_MS);
    for (uint32_t key = UNDEFINED_KEYS; r->options->stacks && key < KEYS; key++) {
        define_key(r, USER, key, STACK_KEY_RUNDOWN);
        define_key(r, KERNEL, key, STACK_KEY_RUNDOWN);
    }
    for (uint32_t i = 0; i < ACTORS; i++) {
        if (r->actors[i].running)
            log_process(r, &r->actors[i], CHANGE_DC_END);
    }
}

/* ---- the trace ---- */

static const struct {
    uint16_t share; /* of all of them */
    void (*act)(struct random *r);
} acts[] = {
    {400, do_alloc},     {380, do_free},    {40, do_realloc}, {30, do_moving_realloc},
    {10, do_late_free},  {20, do_null},     {1, do_create},   {1, do_destroy},
    {20, do_burst},      {20, do_layout},   {4, do_unknown},  {1, do_process},
    {3, do_thread_name}, {60, do_switch},   {10, do_image},   {30, do_key},
};

static void act(struct random *r)
{
    uint32_t all = 0;
    size_t i = 0;
    for (size_t each = 0; each < sizeof acts / sizeof acts[0]; each++)
        all += acts[each].share;
    for (uint32_t lot = below(r, all); lot >= acts[i].share; i++)
        lot -= acts[i].share;
    acts[i].act(r);
}

static void play(struct random *r)
{
    draw_stacks(r);
    introduce(r);
    while (r->trace.heap_events < r->options->events && !r->failed && !r->trace.failed) {
        pass_time(r);
        act(r);
    }
    run_down(r);
}

static int write_random(const struct random_options *options)
{
    struct etl_session session;
    etl_session_default(&session);
    session.processors = (uint32_t)options->processors;
    session.session_name = "Random";

    struct random *r = calloc(1, sizeof *r);
    if (!r)
        return gen_fail("out of memory");
    r->options = options;
    r->rng.state = options->seed;
    r->clock = session.raw_start + session.raw_start % 2;
    int status = trace_open(&r->trace, options->path, &session);
    if (status == GEN_OK) {
        play(r);
        r->trace.failed = r->trace.failed || r->failed;
        status = trace_close(&r->trace);
    }
    agenda_finish(&r->agenda);
    free(r);
    return status;
}

static int print_help(void)
{
    puts("Usage: etlgen random [OPTIONS] [-o FILE.etl]\n"
         "\n"
         "Writes well-formed records in any order and combination: failed calls, lost and\n"
         "late frees, reused pids, names that come last, equal times, steps back in time,\n"
         "all record layouts. For comparing decoders.\n"
         "\n"
         "  -o, --output FILE  where to (default: standard output)\n"
         "      --events N     heap events, about (default: 100000)\n"
         "      --cpus K       processors, 1 to 64 (default: 4)\n"
         "      --stacks       stacks whole, split and by key, and images\n"
         "      --seed S       another trace of the same kind (default: 1)\n"
         "  -h, --help         this text");
    return gen_finish_text();
}

int gen_random(int argc, char **argv)
{
    static const struct option options[] = {GEN_COMMON_OPTIONS,
                                            {"events", required_argument, NULL, 'e'},
                                            {"cpus", required_argument, NULL, 'c'},
                                            {"seed", required_argument, NULL, 'r'},
                                            {"stacks", no_argument, NULL, 's'},
                                            {0}};
    struct random_options o = {.events = 100000, .processors = 4, .seed = 1};
    int option, status = GEN_OK;
    while (status == GEN_OK && (option = gen_next_option(argc, argv, options)) != -1) {
        if (option == 'o')
            o.path = optarg;
        else if (option == 'e')
            status = gen_number("random", "--events", optarg, &o.events);
        else if (option == 'c')
            status = gen_number("random", "--cpus", optarg, &o.processors);
        else if (option == 'r')
            status = gen_number("random", "--seed", optarg, &o.seed);
        else if (option == 's')
            o.stacks = true;
        else
            return option == 'h' ? print_help() : GEN_USAGE;
    }
    if (status == GEN_OK && optind < argc)
        return gen_usage("random", "%s: unexpected argument", argv[optind]);
    if (status == GEN_OK && (o.processors < 1 || o.processors > MAX_CPUS))
        status = gen_usage("random", "--cpus: 1 to %d", MAX_CPUS);
    return status == GEN_OK ? write_random(&o) : status;
}
