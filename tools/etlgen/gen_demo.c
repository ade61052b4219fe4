/* `etlgen demo`: plays the tables of demo_story.c on a clock of 10 MHz. Everything happens through
 * the agenda, in order of time, so every processor's stream is in order, too. */
#include "agenda.h"
#include "base/array.h"
#include "container/etl_layout.h"
#include "demo_story.h"
#include "gen.h"
#include "records.h"
#include "rng.h"

#include <stdlib.h>
#include <string.h>

enum {
    TICKS_PER_MS = 10000,
    PROCESSORS = 4,
    MAX_SITES = 64,
    MAX_FRAMES = 24,
    WAVE_MS = 100,
    SMALLEST_CLASS = 4, /* log2 of the smallest block */
    CLASSES = 28,
    SEGMENT_BYTES = 1 << 20,
    NO_BLOCK = 0, /* block 0 is never used */
};

enum what {
    BE_EDITOR_RUNNING,
    BE_UPDATER_START,
    BE_UPDATER_END,
    BE_SPELL_START,
    BE_SPELL_END,
    DO_ALLOC,          /* id: site */
    DO_FREE,           /* id: block */
    DO_RESIZE,         /* id: block */
    DO_DOUBLE,         /* id: site */
    DO_DOUBLE_FREE,    /* the old buffer, just after the new one came */
    DO_DOUBLE_SUMMARY, /* the realloc that did it */
    LOG_STACK,         /* id: stack */
    LOG_STACK_KERNEL,
    LOG_STACK_KEY, /* id: stack */
};

/* A block that is or was allocated; its address is given out again to blocks of its class. */
struct block {
    uint64_t address, size;
    uint32_t site, next_free;
    uint8_t heap, class;
    bool live;
};

struct heap_state {
    bool alive;
    uint64_t next, segment_end;
    uint32_t free[CLASSES]; /* first block of each class that can be given out again */
};

struct stack {
    uint64_t frames[MAX_FRAMES];
    uint32_t count;
    bool keyed; /* referred to by key: its definition is owed at the end */
};

struct demo {
    struct trace trace;
    struct agenda agenda;
    struct rng rng;
    int64_t start, clock;
    bool failed;
    struct block *blocks;
    size_t block_count, block_room;
    struct heap_state heaps[DEMO_HEAPS];
    unsigned cpu[DEMO_THREADS];
    uint16_t wave[DEMO_THREADS][DEMO_MS / WAVE_MS + 1]; /* how busy, percent */
    struct stack stacks[2 * MAX_SITES];                 /* of each site's allocs, then reallocs */
    struct {
        uint32_t block, old;
    } doubling;
};

static const struct process_facts processes[DEMO_PROCESSES] = {
    [EDITOR_PROCESS] = {4242, 3120, 0xFFFFD3841C2A6080, "editor.exe",
                        "\"C:\\Program Files\\Editor\\editor.exe\" report.docx"},
    [UPDATER_PROCESS] = {5100, 4242, 0xFFFFD3841F09B0C0, "updater.exe",
                         "\"C:\\Program Files\\Editor\\updater.exe\" --check --quiet"},
};

/* ---- time ---- */

/* The raw time of the next record: not before `due`, and after every record so far. */
static int64_t tick(struct demo *d, int64_t due)
{
    d->clock = due > d->clock ? due : d->clock + 1;
    return d->clock;
}

static int64_t at_ms(const struct demo *d, uint32_t ms)
{
    return d->start + (int64_t)ms * TICKS_PER_MS;
}

static void plan(struct demo *d, struct agenda_item item)
{
    if (!agenda_add(&d->agenda, item))
        d->failed = true;
}

/* Exponentially distributed with the mean given, at most 4.2 times it: the quantiles at sixteenths,
 * linear between them. */
static int64_t exponential(struct demo *d, int64_t mean)
{
    static const uint16_t quantile[] = {0,   65,  134,  208,  288,  375,  470,  575, 693,
                                        827, 981, 1163, 1386, 1674, 2079, 2773, 4200};
    uint32_t u = rng_below(&d->rng, 16 * 256);
    uint32_t low = quantile[u / 256], high = quantile[u / 256 + 1];
    return mean * (int64_t)(low * 256 + (high - low) * (u % 256)) / 256000 + 1;
}

/* ---- blocks ---- */

static uint8_t class_of(uint64_t size)
{
    uint8_t class = SMALLEST_CLASS;
    while (((uint64_t)1 << class) < size)
        class++;
    return class;
}

static struct origin origin_of(const struct demo *d, enum demo_thread thread)
{
    const struct demo_thread_facts *t = &demo_threads[thread];
    return (struct origin){.cpu = d->cpu[thread], .kind = REC_SYSTEM64,
                           .pid = processes[t->process].pid, .tid = t->tid};
}

/* Address space for a block that no freed one can serve. */
static uint64_t carve(struct demo *d, const struct origin *o, enum demo_heap heap, uint64_t bytes)
{
    struct heap_state *h = &d->heaps[heap];
    uint64_t address = h->next;
    h->next += bytes;
    while (h->next > h->segment_end) {
        struct heap_call call = {.heap = demo_heaps[heap].handle, .address = h->segment_end,
                                 .size = SEGMENT_BYTES, .filler = SEGMENT_BYTES};
        rec_heap(&d->trace, o, tick(d, 0), HEAP_EXTEND, &call);
        h->segment_end += SEGMENT_BYTES;
    }
    return address;
}

static uint32_t new_block(struct demo *d, const struct origin *o, enum demo_heap heap,
                          uint8_t class)
{
    struct heap_state *h = &d->heaps[heap];
    uint32_t id = h->free[class];
    if (id != NO_BLOCK) {
        h->free[class] = d->blocks[id].next_free;
        return id;
    }
    if (ARRAY_RESERVE(d->blocks, d->block_room, d->block_count + 1) < 0) {
        d->failed = true;
        return NO_BLOCK;
    }
    id = (uint32_t)d->block_count++;
    d->blocks[id] = (struct block){.heap = (uint8_t)heap, .class = class,
                                   .address = carve(d, o, heap, (uint64_t)1 << class)};
    return id;
}

static uint32_t source_of(const struct demo_site *site, uint64_t size)
{
    if (site->habit == LOOKASIDE)
        return SOURCE_LOOKASIDE;
    if (size > 512 << 10)
        return SOURCE_SLOW;
    return size > 16 << 10 ? SOURCE_MAIN : demo_heaps[site->heap].small_source;
}

/* ---- stacks ---- */

static size_t append_frames(struct stack *stack, const uint32_t *frames, size_t max)
{
    for (size_t i = 0; i < max && frames[i]; i++) {
        const struct demo_module_facts *module = &demo_modules[FRAME_MODULE(frames[i])];
        stack->frames[stack->count++] = module->base + FRAME_RVA(frames[i]);
    }
    return stack->count;
}

static void build_stack(struct stack *stack, const struct demo_site *site, enum demo_entry entry)
{
    append_frames(stack, demo_entries[entry], ENTRY_FRAMES);
    append_frames(stack, site->frames, SITE_FRAMES);
    append_frames(stack, demo_threads[site->thread].root, 5);
}

static uint64_t key_of(uint32_t stack)
{
    return UINT64_C(0xFFFFA10B3C401000) + 0x60 * (uint64_t)stack;
}

/* Most stacks come whole, some in a kernel and a user part, some as a reference to a key. */
static void plan_stack(struct demo *d, const struct origin *o, int64_t raw, uint32_t stack)
{
    struct agenda_item item = {.about = raw, .id = stack, .pid = o->pid, .tid = o->tid,
                               .cpu = o->cpu, .due = raw + rng_between(&d->rng, 15, 30),
                               .what = LOG_STACK};
    uint32_t form = rng_below(&d->rng, 100);
    if (form < 10) {
        item.what = LOG_STACK_KEY;
    } else if (form < 16) {
        item.what = LOG_STACK_KERNEL;
        plan(d, item);
        item.what = LOG_STACK;
        item.due += rng_between(&d->rng, 10, 70);
    }
    plan(d, item);
}

static void log_stack(struct demo *d, const struct agenda_item *item)
{
    static const uint64_t kernel[] = {UINT64_C(0xFFFFF80312AA2F10), UINT64_C(0xFFFFF80312811C05)};
    struct stack_of of = {item->about, item->pid, item->tid};
    struct stack *stack = &d->stacks[item->id];
    struct frames frames = {stack->frames, stack->count};
    if (item->what == LOG_STACK_KERNEL)
        frames = (struct frames){kernel, 2};
    if (item->what != LOG_STACK_KEY) {
        rec_stack(&d->trace, item->cpu, tick(d, item->due), &of, &frames);
        return;
    }
    stack->keyed = true;
    rec_stack_reference(&d->trace, item->cpu, tick(d, item->due), STACK_KEY_USER, &of,
                        key_of(item->id));
}

/* ---- heap calls ---- */

/* A thread moves to another processor now and then. */
static struct origin caller(struct demo *d, enum demo_thread thread)
{
    if (rng_chance(&d->rng, 4))
        d->cpu[thread] = rng_below(&d->rng, PROCESSORS);
    return origin_of(d, thread);
}

static uint32_t log_alloc(struct demo *d, uint32_t site, uint64_t size, int64_t due)
{
    const struct demo_site *s = &demo_sites[site];
    struct origin o = caller(d, s->thread);
    uint32_t id = new_block(d, &o, s->heap, class_of(size));
    if (id == NO_BLOCK)
        return id;
    struct block *b = &d->blocks[id];
    b->size = size;
    b->site = site;
    b->live = true;
    struct heap_call call = {.heap = demo_heaps[s->heap].handle, .address = b->address,
                             .size = size, .source = source_of(s, size)};
    int64_t raw = tick(d, due);
    rec_heap(&d->trace, &o, raw, HEAP_ALLOC, &call);
    plan_stack(d, &o, raw, site);
    return id;
}

static void log_free(struct demo *d, uint32_t id, int64_t due)
{
    struct block *b = &d->blocks[id];
    struct heap_state *h = &d->heaps[b->heap];
    if (!h->alive || !b->live)
        return;
    const struct demo_site *s = &demo_sites[b->site];
    struct origin o = caller(d, s->thread);
    struct heap_call call = {.heap = demo_heaps[b->heap].handle, .address = b->address,
                             .source = source_of(s, b->size)};
    rec_heap(&d->trace, &o, tick(d, due), HEAP_FREE, &call);
    b->live = false;
    b->next_free = h->free[b->class];
    h->free[b->class] = id;
}

static void log_failure(struct demo *d, uint32_t site, int64_t due)
{
    const struct demo_site *s = &demo_sites[site];
    struct origin o = caller(d, s->thread);
    struct heap_call call = {.heap = demo_heaps[s->heap].handle,
                             .size = rng_between(&d->rng, s->low, s->high), .source = SOURCE_SLOW};
    int64_t raw = tick(d, due);
    rec_heap(&d->trace, &o, raw, HEAP_ALLOC, &call);
    plan_stack(d, &o, raw, site);
}

static void log_realloc(struct demo *d, const struct block *b, const struct heap_call *call,
                        int64_t due)
{
    struct origin o = caller(d, demo_sites[b->site].thread);
    int64_t raw = tick(d, due);
    rec_heap(&d->trace, &o, raw, HEAP_REALLOC, call);
    plan_stack(d, &o, raw, (uint32_t)demo_site_count + b->site);
}

/* Grows a block into what its class has left. */
static void log_resize(struct demo *d, uint32_t id, int64_t due)
{
    struct block *b = &d->blocks[id];
    uint64_t most = (uint64_t)1 << b->class;
    if (!d->heaps[b->heap].alive || !b->live || b->size == most)
        return;
    struct heap_call call = {.heap = demo_heaps[b->heap].handle, .address = b->address,
                             .old_address = b->address, .old_size = b->size, .size = most,
                             .source = source_of(&demo_sites[b->site], most)};
    log_realloc(d, b, &call, due);
    b->size = most;
}

/* ---- habits ---- */

static uint32_t busy(const struct demo *d, enum demo_thread thread, int64_t due)
{
    int64_t slot = (due - d->start) / (WAVE_MS * TICKS_PER_MS);
    return d->wave[thread][slot < DEMO_MS / WAVE_MS ? slot : DEMO_MS / WAVE_MS];
}

static void plan_next(struct demo *d, uint32_t site, int64_t due)
{
    const struct demo_site *s = &demo_sites[site];
    int64_t mean = (int64_t)1000 * TICKS_PER_MS / s->rate * 100 / busy(d, s->thread, due);
    bool doubling = s->habit == DOUBLING;
    plan(d, (struct agenda_item){.what = doubling ? DO_DOUBLE : DO_ALLOC, .id = site,
                                 .due = due + (doubling ? mean : exponential(d, mean))});
}

static void play_alloc(struct demo *d, const struct agenda_item *item)
{
    const struct demo_site *s = &demo_sites[item->id];
    if (!d->heaps[s->heap].alive)
        return;
    plan_next(d, item->id, item->due);
    if (s->habit == FAILING) {
        log_failure(d, item->id, item->due);
        return;
    }
    uint32_t id = log_alloc(d, item->id, rng_skewed(&d->rng, s->low, s->high), item->due);
    if (s->life_ms == FOREVER)
        return;
    int64_t life = exponential(d, (int64_t)s->life_ms * TICKS_PER_MS);
    plan(d, (struct agenda_item){.what = DO_FREE, .id = id, .due = d->clock + life});
    if (s->habit == RESIZING && rng_chance(&d->rng, 300))
        plan(d, (struct agenda_item){.what = DO_RESIZE, .id = id, .due = d->clock + life / 2});
}

/* One step of the doubling buffer: a new block, 34 ticks later the old one's free, 4 ticks later
 * the realloc that sums it up. A buffer of the largest size is freed, and the next begins small. */
static void play_double(struct demo *d, const struct agenda_item *item)
{
    const struct demo_site *s = &demo_sites[item->id];
    uint32_t old = d->doubling.block;
    plan_next(d, item->id, item->due);
    if (old != NO_BLOCK && d->blocks[old].size >= s->high) {
        log_free(d, old, item->due);
        d->doubling.block = NO_BLOCK;
        return;
    }
    uint64_t size = old != NO_BLOCK ? 2 * d->blocks[old].size : s->low;
    d->doubling.block = log_alloc(d, item->id, size, item->due);
    d->doubling.old = old;
    if (old == NO_BLOCK)
        return;
    plan(d, (struct agenda_item){.what = DO_DOUBLE_FREE, .id = old, .due = d->clock + 34});
    plan(d, (struct agenda_item){.what = DO_DOUBLE_SUMMARY, .due = d->clock + 38});
}

static void play_double_summary(struct demo *d, int64_t due)
{
    const struct block *new = &d->blocks[d->doubling.block], *old = &d->blocks[d->doubling.old];
    struct heap_call call = {.heap = demo_heaps[new->heap].handle, .address = new->address,
                             .old_address = old->address, .size = new->size,
                             .old_size = new->size / 2, .source = SOURCE_MAIN};
    log_realloc(d, new, &call, due);
}

/* ---- processes and heaps ---- */

static void log_thread(struct demo *d, const struct origin *o, unsigned change,
                       enum demo_thread thread)
{
    const struct demo_thread_facts *t = &demo_threads[thread];
    bool early = thread == MAIN_THREAD; /* the others name themselves */
    rec_thread(&d->trace, o, tick(d, 0), change, processes[t->process].pid, t->tid,
               early ? t->name : NULL);
    if (change != CHANGE_DC_END && change != CHANGE_END && t->name && !early)
        rec_thread_name(&d->trace, o->cpu, tick(d, 0), processes[t->process].pid, t->tid, t->name);
}

static void log_threads(struct demo *d, const struct origin *o, unsigned change,
                        enum demo_process process)
{
    for (int i = 0; i < DEMO_THREADS; i++) {
        if (demo_threads[i].process == process)
            log_thread(d, o, change, (enum demo_thread)i);
    }
}

static void log_images(struct demo *d, const struct origin *o, unsigned hook, uint32_t pid,
                       uint32_t processes_mask)
{
    for (int i = 0; i < DEMO_MODULES; i++) {
        const struct demo_module_facts *m = &demo_modules[i];
        struct image_facts image = {pid, m->base, m->size, m->time_stamp, m->path, m->pdb};
        if (m->processes != processes_mask && !(m->processes & processes_mask))
            continue;
        rec_image(&d->trace, o, tick(d, 0), hook, &image);
        if (hook != IMAGE_UNLOAD && hook != IMAGE_DC_END)
            rec_debug_id(&d->trace, o, tick(d, 0), &image);
    }
}

static void create_heap(struct demo *d, enum demo_heap heap, enum demo_thread thread)
{
    struct heap_state *h = &d->heaps[heap];
    uint64_t handle = demo_heaps[heap].handle;
    struct origin o = origin_of(d, thread);
    *h = (struct heap_state){.alive = true, .next = handle + 0x750,
                             .segment_end = handle + SEGMENT_BYTES};
    struct heap_call call = {.heap = handle, .source = demo_heaps[heap].flags,
                             .filler = SEGMENT_BYTES};
    int64_t raw = tick(d, 0);
    rec_heap(&d->trace, &o, raw, HEAP_CREATE, &call);
    for (uint32_t i = 0; i < demo_site_count; i++) {
        if (demo_sites[i].heap == heap)
            plan_next(d, i, raw);
    }
}

static void destroy_heap(struct demo *d, enum demo_heap heap, enum demo_thread thread)
{
    struct origin o = origin_of(d, thread);
    struct heap_call call = {.heap = demo_heaps[heap].handle};
    rec_heap(&d->trace, &o, tick(d, 0), HEAP_DESTROY, &call);
    d->heaps[heap].alive = false;
}

static void editor_running(struct demo *d)
{
    struct origin kernel = {.cpu = 0, .kind = REC_SYSTEM64, .pid = 0, .tid = UINT32_MAX};
    const struct process_facts *p = &processes[EDITOR_PROCESS];
    rec_volume(&d->trace, &kernel, tick(d, 0), "\\Device\\HarddiskVolume3", "C:");
    rec_process(&d->trace, &kernel, tick(d, 0), CHANGE_DC_START, 4, p);
    log_threads(d, &kernel, CHANGE_DC_START, EDITOR_PROCESS);
    log_images(d, &kernel, IMAGE_DC_START, 0, 0);
    log_images(d, &kernel, IMAGE_DC_START, p->pid, 1u << EDITOR_PROCESS);
    create_heap(d, DEFAULT_HEAP, MAIN_THREAD);
    create_heap(d, DOCUMENT_HEAP, MAIN_THREAD);
}

static void updater_start(struct demo *d)
{
    struct origin parent = origin_of(d, MAIN_THREAD), o = origin_of(d, UPDATER_THREAD);
    const struct process_facts *p = &processes[UPDATER_PROCESS];
    rec_process(&d->trace, &parent, tick(d, 0), CHANGE_START, 4, p);
    log_threads(d, &parent, CHANGE_START, UPDATER_PROCESS);
    log_images(d, &o, IMAGE_LOAD, p->pid, 1u << UPDATER_PROCESS);
    create_heap(d, UPDATER_HEAP, UPDATER_THREAD);
}

/* It ends without giving back what it fetched. */
static void updater_end(struct demo *d)
{
    struct origin o = origin_of(d, UPDATER_THREAD);
    const struct process_facts *p = &processes[UPDATER_PROCESS];
    d->heaps[UPDATER_HEAP].alive = false;
    log_images(d, &o, IMAGE_UNLOAD, p->pid, 1u << UPDATER_PROCESS);
    log_threads(d, &o, CHANGE_END, UPDATER_PROCESS);
    rec_process(&d->trace, &o, tick(d, 0), CHANGE_END, 4, p);
}

/* The rundown at the session's end: stack keys, processes, threads. */
static void run_down(struct demo *d)
{
    struct origin kernel = {.cpu = 0, .kind = REC_SYSTEM64, .pid = 0, .tid = UINT32_MAX};
    for (uint32_t i = 0; i < 2 * demo_site_count; i++) {
        struct frames frames = {d->stacks[i].frames, d->stacks[i].count};
        if (d->stacks[i].keyed)
            rec_stack_definition(&d->trace, 0, tick(d, 0), STACK_KEY_RUNDOWN, key_of(i), &frames);
    }
    rec_process(&d->trace, &kernel, tick(d, 0), CHANGE_DC_END, 4, &processes[EDITOR_PROCESS]);
    log_threads(d, &kernel, CHANGE_DC_END, EDITOR_PROCESS);
}

/* ---- the play ---- */

static void play(struct demo *d, const struct agenda_item *item)
{
    switch ((enum what)item->what) {
    case BE_EDITOR_RUNNING:
        editor_running(d);
        break;
    case BE_UPDATER_START:
        updater_start(d);
        break;
    case BE_UPDATER_END:
        updater_end(d);
        break;
    case BE_SPELL_START:
        create_heap(d, SPELL_HEAP, LAYOUT_THREAD);
        break;
    case BE_SPELL_END:
        destroy_heap(d, SPELL_HEAP, LAYOUT_THREAD);
        break;
    case DO_ALLOC:
        play_alloc(d, item);
        break;
    case DO_FREE:
    case DO_DOUBLE_FREE:
        log_free(d, item->id, item->due);
        break;
    case DO_RESIZE:
        log_resize(d, item->id, item->due);
        break;
    case DO_DOUBLE:
        play_double(d, item);
        break;
    case DO_DOUBLE_SUMMARY:
        play_double_summary(d, item->due);
        break;
    case LOG_STACK:
    case LOG_STACK_KERNEL:
    case LOG_STACK_KEY:
        log_stack(d, item);
        break;
    }
}

static void play_all(struct demo *d)
{
    static const struct {
        uint16_t ms;
        enum what what;
    } acts[] = {{0, BE_EDITOR_RUNNING},
                {UPDATER_FROM_MS, BE_UPDATER_START},
                {UPDATER_TO_MS, BE_UPDATER_END},
                {SPELL_FROM_MS, BE_SPELL_START},
                {SPELL_TO_MS, BE_SPELL_END}};
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
        plan(d, (struct agenda_item){.due = at_ms(d, acts[i].ms), .what = acts[i].what});
    while (agenda_first(&d->agenda)) {
        struct agenda_item item = agenda_take(&d->agenda);
        if (item.due >= at_ms(d, DEMO_MS) && item.what < LOG_STACK)
            continue;
        tick(d, item.due);
        play(d, &item);
    }
}

/* Busy and idle times of each thread: a walk between 55 and 160 percent. */
static void draw_waves(struct demo *d)
{
    for (int thread = 0; thread < DEMO_THREADS; thread++) {
        int percent = 130;
        for (size_t slot = 0; slot <= DEMO_MS / WAVE_MS; slot++) {
            percent += (int)rng_below(&d->rng, 51) - 25 + (100 - percent) / 8;
            percent = percent < 55 ? 55 : percent > 160 ? 160 : percent;
            d->wave[thread][slot] = (uint16_t)percent;
        }
    }
}

static void prepare(struct demo *d, uint64_t seed, const struct etl_session *session)
{
    d->rng.state = seed;
    d->start = session->raw_start;
    d->clock = session->raw_start;
    draw_waves(d);
    for (size_t i = 0; i < demo_site_count; i++) {
        build_stack(&d->stacks[i], &demo_sites[i], demo_sites[i].entry);
        build_stack(&d->stacks[demo_site_count + i], &demo_sites[i], BY_REALLOC);
    }
    for (unsigned i = 0; i < DEMO_THREADS; i++)
        d->cpu[i] = i % PROCESSORS;
}

static int write_demo(const char *path, uint64_t seed)
{
    struct etl_session session;
    etl_session_default(&session);
    session.processors = PROCESSORS;
    session.end_time = session.start_time + (int64_t)DEMO_MS * TICKS_PER_MS;
    session.session_name = "Heap demo";
    session.file_name = "demo.etl";

    struct demo *d = calloc(1, sizeof *d);
    if (!d || ARRAY_RESERVE(d->blocks, d->block_room, 1) < 0) {
        free(d);
        return gen_fail("out of memory");
    }
    d->block_count = 1; /* NO_BLOCK */
    prepare(d, seed, &session);
    int status = trace_open(&d->trace, path, &session);
    if (status == GEN_OK) {
        play_all(d);
        run_down(d);
        d->trace.failed = d->trace.failed || d->failed;
        status = trace_close(&d->trace);
    }
    agenda_finish(&d->agenda);
    free(d->blocks);
    free(d);
    return status;
}

static int print_help(void)
{
    puts("Usage: etlgen demo [-o FILE.etl] [--seed S]\n"
         "\n"
         "Writes about 200 000 heap events of two processes, eight seconds long: an editor\n"
         "whose undo history only grows, and an updater that comes, downloads and goes.\n"
         "\n"
         "  -o, --output FILE  where to (default: standard output)\n"
         "      --seed S       another run of the same story (default: 1)\n"
         "  -h, --help         this text");
    return gen_finish_text();
}

int gen_demo(int argc, char **argv)
{
    static const struct option options[] = {
        GEN_COMMON_OPTIONS, {"seed", required_argument, NULL, 's'}, {0}};
    const char *path = NULL;
    uint64_t seed = 1;
    int option, status = GEN_OK;
    while (status == GEN_OK && (option = gen_next_option(argc, argv, options)) != -1) {
        switch (option) {
        case 'o':
            path = optarg;
            break;
        case 's':
            status = gen_number("demo", "--seed", optarg, &seed);
            break;
        case 'h':
            return print_help();
        default:
            return GEN_USAGE;
        }
    }
    if (status == GEN_OK && optind < argc)
        return gen_usage("demo", "%s: unexpected argument", argv[optind]);
    return status == GEN_OK ? write_demo(path, seed) : status;
}
