#include "track/outstanding.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define PROCESS 1
#define HEAP    0xA000
#define MOST_ROWS 64

/* A tracker with a model of its own, and the rows it wrote last. */
struct bench {
    struct eh_model *model;
    struct eh_stats stats;
    struct track track;
    struct eh_event room[1 + MOST_ROWS], *rows;
    size_t count;
    uint64_t bytes, blocks; /* what the rows' journal adds up to */
    size_t sweep_room;      /* of each call while sweeping */
};

static void begin(struct bench *b)
{
    *b = (struct bench){.model = model_create(), .sweep_room = MOST_ROWS};
    ck_assert_ptr_nonnull(b->model);
    track_init(&b->track, b->model, &b->stats, 0);
}

static void end(struct bench *b)
{
    track_end(&b->track);
    ck_assert_uint_eq(b->stats.outstanding_bytes, b->bytes);
    ck_assert_uint_eq(b->stats.outstanding_blocks, b->blocks);
    track_finish(&b->track);
    model_destroy(b->model);
}

/* Rows are a complete journal: adding them up gives the live figures. */
static void add_up(struct bench *b)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct eh_event *row = &b->rows[i];
        unsigned change = row->flags & (EH_ADDED | EH_REMOVED | EH_RESIZED);
        ck_assert_uint_eq(change & (change - 1), 0);
        if (change == EH_ADDED) {
            b->bytes += row->size;
            b->blocks++;
        } else if (change == EH_REMOVED) {
            b->bytes -= row->size;
            b->blocks--;
        } else if (change == EH_RESIZED) {
            b->bytes += row->size - row->previous_size;
        }
    }
    ck_assert_uint_eq(b->track.bytes, b->bytes);
}

static void sweep(struct bench *b)
{
    ck_assert_uint_eq(b->count, 0);
    b->rows = b->room;
    while (b->track.sweep.active) {
        size_t room = b->sweep_room < MOST_ROWS - b->count ? b->sweep_room : MOST_ROWS - b->count;
        ck_assert_uint_gt(room, 0);
        /* A block of just that room, so that a row too many is seen. */
        struct eh_event *out = malloc(room * sizeof *out);
        ck_assert_ptr_nonnull(out);
        size_t n = track_sweep(&b->track, out, room);
        ck_assert_uint_le(n, room);
        memcpy(b->rows + b->count, out, n * sizeof *out);
        b->count += n;
        free(out);
    }
}

/* Runs one event through the tracker; its rows are in b->rows then. Returns the last of them. */
static const struct eh_event *run(struct bench *b, struct eh_event event)
{
    struct eh_error e = {0};
    event.flags |= EH_HAS_HEAP;
    if (!event.process)
        event.process = PROCESS;
    if (!event.heap)
        event.heap = HEAP;
    event.thread_id = 7;
    memset(b->room, 0, sizeof b->room);
    b->room[1] = event;
    ck_assert_int_eq(track_rows(&b->track, b->room + 1, 1, &b->rows, &e), 1);
    b->count = (size_t)(b->room + 2 - b->rows);
    if (b->track.sweep.active)
        sweep(b);
    add_up(b);
    ck_assert_uint_gt(b->count, 0);
    const struct eh_event *last = &b->rows[b->count - 1];
    ck_assert_uint_eq(last->kind, event.kind);
    return last;
}

static void end_process(struct bench *b, uint32_t process, int64_t ns, int64_t raw)
{
    struct eh_error e = {0};
    b->room[1] = (struct eh_event){
        .kind = EH_PROCESS_END, .process = process, .time_ns = ns, .raw_time = raw};
    ck_assert_int_eq(track_rows(&b->track, b->room + 1, 1, &b->rows, &e), 1);
    ck_assert(b->track.sweep.active);
    b->count = 0;
    sweep(b);
    add_up(b);
}

static const struct eh_event *alloc_at(struct bench *b, int64_t ns, uint64_t address, uint64_t size)
{
    return run(b, (struct eh_event){
                      .kind = EH_ALLOC, .time_ns = ns, .address = address, .size = size});
}

static const struct eh_event *free_at(struct bench *b, int64_t ns, uint64_t address)
{
    return run(b, (struct eh_event){.kind = EH_FREE, .time_ns = ns, .address = address});
}

static const struct eh_event *realloc_at(struct bench *b, int64_t ns, uint64_t old,
                                         uint64_t address, uint64_t size)
{
    return run(b, (struct eh_event){.kind = EH_REALLOC,
                                    .time_ns = ns,
                                    .old_address = old,
                                    .address = address,
                                    .size = size});
}

static void expect_live(const struct eh_event *row, uint64_t bytes, uint32_t blocks)
{
    ck_assert_uint_ne(row->flags & EH_HAS_LIVE, 0);
    ck_assert_uint_eq(row->process_live_bytes, bytes);
    ck_assert_uint_eq(row->process_live_blocks, blocks);
}

static void expect_gone(const struct eh_event *row, uint64_t size, int64_t lifetime)
{
    ck_assert_uint_ne(row->flags & EH_REMOVED, 0);
    ck_assert_uint_eq(row->flags & (EH_HAS_SIZE | EH_HAS_LIFETIME), EH_HAS_SIZE | EH_HAS_LIFETIME);
    ck_assert_uint_eq(row->size, size);
    ck_assert_int_eq(row->lifetime_ns, lifetime);
}

static void expect_drop(const struct eh_event *row, uint8_t reason, uint64_t address, uint64_t size)
{
    ck_assert_uint_eq(row->kind, EH_DROP);
    ck_assert_uint_eq(row->reason, reason);
    ck_assert_uint_eq(row->address, address);
    ck_assert_uint_eq(row->size, size);
    ck_assert_uint_ne(row->flags & EH_REMOVED, 0);
}

START_TEST(alloc_and_free)
{
    struct bench b;
    begin(&b);
    const struct eh_event *row = alloc_at(&b, 100, 0x1000, 24);
    ck_assert_uint_eq(row->flags & (EH_ADDED | EH_REMOVED | EH_RESIZED), EH_ADDED);
    expect_live(row, 24, 1);
    expect_live(alloc_at(&b, 200, 0x2000, 76), 100, 2);
    row = free_at(&b, 350, 0x1000);
    expect_gone(row, 24, 250);
    expect_live(row, 76, 1);
    ck_assert_uint_eq(row->flags & EH_TEMPORARY, 0); /* another block came between */
    row = free_at(&b, 360, 0x2000);
    expect_gone(row, 76, 160);
    expect_live(row, 0, 0);
    ck_assert_uint_ne(row->flags & EH_TEMPORARY, 0);
    ck_assert_uint_eq(b.stats.peak_live_bytes, 100);
    ck_assert_int_eq(b.stats.peak_time_ns, 200);
    ck_assert_uint_eq(b.stats.unmatched_frees + b.stats.replaced_allocs, 0);
    end(&b);
}
END_TEST

START_TEST(nothing_to_free)
{
    struct bench b;
    begin(&b);
    const struct eh_event *row = free_at(&b, 1, 0x1000);
    ck_assert_uint_eq(row->flags & (EH_REMOVED | EH_HAS_SIZE | EH_HAS_LIFETIME), 0);
    ck_assert_uint_eq(b.stats.unmatched_frees, 1);
    free_at(&b, 2, 0); /* is allowed and does nothing */
    ck_assert_uint_eq(b.stats.unmatched_frees, 1);
    ck_assert_uint_eq(alloc_at(&b, 3, 0, 10)->flags & EH_ADDED, 0);
    ck_assert_uint_eq(b.stats.failed_allocs, 1);
    alloc_at(&b, 4, 0x1000, 10);
    /* The same address of another heap, and of another process, is another block. */
    run(&b, (struct eh_event){.kind = EH_FREE, .heap = HEAP + 1, .address = 0x1000});
    run(&b, (struct eh_event){.kind = EH_FREE, .process = 2, .address = 0x1000});
    ck_assert_uint_eq(b.stats.unmatched_frees, 3);
    free_at(&b, 5, 0x1000);
    free_at(&b, 6, 0x1000);
    ck_assert_uint_eq(b.stats.unmatched_frees, 4);
    end(&b);
}
END_TEST

START_TEST(time_that_steps_back)
{
    struct bench b;
    begin(&b);
    alloc_at(&b, 500, 0x1000, 10);
    expect_gone(free_at(&b, 400, 0x1000), 10, 0);
    end(&b);
}
END_TEST

/* An alloc at 1000 over one at 0; the first free comes at `free_ns`. */
static const struct late_case {
    int64_t free_ns;
    bool late;
} late_cases[] = {{1000, true}, {1001, true}, {1001000, true}, {1001001, false}, {5000000, false}};
#define LATE_CASES (int)(sizeof late_cases / sizeof *late_cases)

START_TEST(late_free)
{
    const struct late_case *c = &late_cases[_i];
    struct bench b;
    begin(&b);
    alloc_at(&b, 0, 0x1000, 10);
    const struct eh_event *row = alloc_at(&b, 1000, 0x1000, 30);
    ck_assert_uint_eq(b.count, 2);
    expect_drop(&b.rows[0], EH_DROP_REPLACED, 0x1000, 10);
    ck_assert_int_eq(b.rows[0].lifetime_ns, 1000);
    expect_live(&b.rows[0], 0, 0);
    expect_live(row, 30, 1);
    ck_assert_uint_eq(b.stats.replaced_allocs, 1);

    row = free_at(&b, c->free_ns, 0x1000);
    if (c->late) {
        ck_assert_uint_ne(row->flags & EH_REPLACED, 0);
        ck_assert_uint_eq(row->flags & EH_REMOVED, 0);
        ck_assert_uint_eq(row->size, 10);
        ck_assert_int_eq(row->lifetime_ns, c->free_ns);
        expect_live(row, 30, 1);
        row = free_at(&b, c->free_ns + 1, 0x1000); /* only the first is late */
        expect_gone(row, 30, c->free_ns + 1 - 1000);
    } else {
        ck_assert_uint_eq(row->flags & EH_REPLACED, 0);
        expect_gone(row, 30, c->free_ns - 1000);
    }
    expect_live(row, 0, 0);
    ck_assert_uint_eq(b.stats.unmatched_frees, 0);
    end(&b);
}
END_TEST

/* Over and over: the blocks kept for late frees must not pile up in the slab. */
START_TEST(replaced_blocks_are_given_back)
{
    struct bench b;
    begin(&b);
    for (int i = 0; i < 1000; i++)
        alloc_at(&b, i, 0x1000, 10);
    free_at(&b, 10000000, 0x1000);
    for (int i = 0; i < 1000; i++) {
        alloc_at(&b, 10000000 + i, 0x1000, 10);
        alloc_at(&b, 10000000 + i, 0x1000, 10);
        free_at(&b, 10000000 + i, 0x1000);
        free_at(&b, 10000000 + i, 0x1000);
    }
    ck_assert_uint_eq(b.stats.replaced_allocs, 999 + 1000);
    ck_assert_uint_le(b.track.slab.most_taken, 3);
    end(&b);
}
END_TEST

START_TEST(realloc_in_place)
{
    struct bench b;
    begin(&b);
    alloc_at(&b, 0, 0x1000, 10);
    const struct eh_event *row = realloc_at(&b, 5, 0x1000, 0x1000, 25);
    ck_assert_uint_ne(row->flags & EH_RESIZED, 0);
    ck_assert_uint_eq(row->previous_size, 10);
    expect_live(row, 25, 1);
    row = realloc_at(&b, 6, 0x1000, 0x1000, 25);
    ck_assert_uint_eq(row->flags & (EH_RESIZED | EH_ADDED | EH_REMOVED), 0);
    expect_live(realloc_at(&b, 7, 0x1000, 0x1000, 5), 5, 1);
    realloc_at(&b, 8, 0x1000, 0, 99); /* failed: the old block stays */
    ck_assert_uint_eq(b.stats.realloc_summaries, 0);
    expect_gone(free_at(&b, 9, 0x1000), 5, 9); /* since its alloc */
    ck_assert_uint_eq(b.stats.peak_live_bytes, 25);
    end(&b);
}
END_TEST

/* Windows logs alloc, free and then the realloc, which changes nothing more. */
START_TEST(realloc_summary)
{
    struct bench b;
    begin(&b);
    alloc_at(&b, 0, 0x1000, 10);
    alloc_at(&b, 10, 0x2000, 40);
    free_at(&b, 11, 0x1000);
    const struct eh_event *row = realloc_at(&b, 12, 0x1000, 0x2000, 40);
    ck_assert_uint_eq(b.count, 1);
    ck_assert_uint_eq(row->flags & (EH_RESIZED | EH_ADDED | EH_REMOVED), 0);
    expect_live(row, 40, 1);
    ck_assert_uint_eq(b.stats.realloc_summaries, 1);
    row = realloc_at(&b, 13, 0x1000, 0x2000, 44); /* at most a size */
    ck_assert_uint_ne(row->flags & EH_RESIZED, 0);
    ck_assert_uint_eq(b.stats.realloc_summaries, 2);
    expect_gone(free_at(&b, 20, 0x2000), 44, 10);
    end(&b);
}
END_TEST

START_TEST(realloc_without_its_alloc)
{
    struct bench b;
    begin(&b);
    /* Neither address is known: the block begins here. */
    const struct eh_event *row = realloc_at(&b, 0, 0x1000, 0x2000, 10);
    ck_assert_uint_eq(b.count, 1);
    ck_assert_uint_ne(row->flags & EH_ADDED, 0);
    /* The old one is known: it goes first. */
    row = realloc_at(&b, 5, 0x2000, 0x3000, 20);
    ck_assert_uint_eq(b.count, 2);
    expect_drop(&b.rows[0], EH_DROP_REALLOC, 0x2000, 10);
    ck_assert_int_eq(b.rows[0].lifetime_ns, 5);
    ck_assert_uint_ne(row->flags & EH_ADDED, 0);
    expect_live(row, 20, 1);
    ck_assert_uint_eq(b.stats.realloc_summaries, 0);
    expect_gone(free_at(&b, 9, 0x3000), 20, 4);
    end(&b);
}
END_TEST

/* The alloc was seen, the free was not: the old block goes if it is older, and only then. */
START_TEST(realloc_without_its_free)
{
    struct bench b;
    begin(&b);
    alloc_at(&b, 0, 0x1000, 10);
    alloc_at(&b, 1, 0x2000, 20);
    const struct eh_event *row = realloc_at(&b, 2, 0x1000, 0x2000, 20);
    ck_assert_uint_eq(b.count, 2);
    expect_drop(&b.rows[0], EH_DROP_REALLOC, 0x1000, 10);
    expect_live(row, 20, 1);
    ck_assert_uint_eq(b.stats.realloc_summaries, 0);
    /* The free was seen, and then another block got the old address: it is the younger. */
    alloc_at(&b, 3, 0x1000, 7);
    row = realloc_at(&b, 4, 0x1000, 0x2000, 20);
    ck_assert_uint_eq(b.count, 1);
    expect_live(row, 27, 2);
    ck_assert_uint_eq(b.stats.realloc_summaries, 1);
    end(&b);
}
END_TEST

/* Births far apart are told apart by time, however far the numbers are. */
START_TEST(realloc_ages_far_apart)
{
    struct bench b;
    begin(&b);
    alloc_at(&b, 0, 0x1000, 10);
    b.track.added += 0x80000001u; /* so many blocks later */
    alloc_at(&b, INT64_C(2000000000), 0x2000, 20);
    realloc_at(&b, INT64_C(2000000001), 0x1000, 0x2000, 20);
    ck_assert_uint_eq(b.count, 2);
    expect_drop(&b.rows[0], EH_DROP_REALLOC, 0x1000, 10);
    end(&b);
}
END_TEST

#define BLOCKS 20

static void fill_heap(struct bench *b, uint32_t process, uint64_t heap)
{
    for (uint64_t i = 0; i < BLOCKS; i++)
        run(b, (struct eh_event){.kind = EH_ALLOC,
                                 .time_ns = (int64_t)i,
                                 .process = process,
                                 .heap = heap,
                                 .address = 0x10000 + (i * 7 % BLOCKS) * 16,
                                 .size = 100 + i});
}

/* create and destroy empty the heap and no other, in the order of birth, in rooms of every size. */
START_TEST(heap_ends)
{
    struct bench b;
    begin(&b);
    b.sweep_room = (size_t)_i / 2 + 1;
    uint8_t kind = _i % 2 ? EH_DESTROY : EH_CREATE;
    fill_heap(&b, PROCESS, HEAP);
    fill_heap(&b, PROCESS, HEAP + 1);
    const struct eh_event *row = run(&b, (struct eh_event){.kind = kind, .time_ns = 50});
    ck_assert_uint_eq(b.count, BLOCKS + 1);
    for (uint64_t i = 0; i < BLOCKS; i++) {
        uint8_t reason = kind == EH_CREATE ? EH_DROP_CREATE : EH_DROP_DESTROY;
        expect_drop(&b.rows[i], reason, 0x10000 + (i * 7 % BLOCKS) * 16, 100 + i);
        ck_assert_int_eq(b.rows[i].lifetime_ns, 50 - (int64_t)i);
        ck_assert_uint_eq(b.rows[i].heap_live_blocks, BLOCKS - 1 - i);
    }
    ck_assert_uint_eq(row->heap_live_blocks, 0);
    ck_assert_uint_eq(row->heap_live_bytes, 0);
    ck_assert_uint_eq(row->process_live_blocks, BLOCKS);
    ck_assert_uint_eq(b.stats.implicit_frees, BLOCKS);
    /* An empty heap needs no sweep; the handle serves on. */
    run(&b, (struct eh_event){.kind = kind, .time_ns = 51});
    ck_assert_uint_eq(b.count, 1);
    fill_heap(&b, PROCESS, HEAP);
    ck_assert_uint_eq(b.blocks, 2 * BLOCKS);
    end(&b);
}
END_TEST

START_TEST(process_end)
{
    struct bench b;
    begin(&b);
    b.sweep_room = (size_t)_i;
    fill_heap(&b, PROCESS, HEAP);
    fill_heap(&b, 2, HEAP);
    fill_heap(&b, PROCESS, HEAP + 1);
    end_process(&b, PROCESS, 90, 91);
    ck_assert_uint_eq(b.count, 2 * BLOCKS + 1);
    uint64_t heaps[2] = {0, 0};
    for (size_t i = 0; i < 2 * BLOCKS; i++) {
        ck_assert_uint_eq(b.rows[i].kind, EH_DROP);
        ck_assert_uint_eq(b.rows[i].reason, EH_DROP_PROCESS_END);
        ck_assert_uint_eq(b.rows[i].process, PROCESS);
        ck_assert_int_eq(b.rows[i].time_ns, 90);
        ck_assert_uint_eq(b.rows[i].process_live_blocks, 2 * BLOCKS - 1 - i);
        ck_assert(b.rows[i].heap == HEAP || b.rows[i].heap == HEAP + 1);
        heaps[b.rows[i].heap - HEAP]++;
    }
    ck_assert_uint_eq(heaps[0], BLOCKS);
    ck_assert_uint_eq(heaps[1], BLOCKS);
    const struct eh_event *last = &b.rows[2 * BLOCKS];
    ck_assert_uint_eq(last->kind, EH_PROCESS_END);
    ck_assert_int_eq(last->raw_time, 91);
    ck_assert_uint_eq(b.stats.implicit_frees, 2 * BLOCKS);
    ck_assert_uint_eq(b.blocks, BLOCKS); /* the other process lives on */
    end(&b);
}
END_TEST

START_TEST(process_without_blocks_ends)
{
    struct bench b;
    begin(&b);
    end_process(&b, 5, 1, 1);
    ck_assert_uint_eq(b.count, 1);
    ck_assert_uint_eq(b.rows[0].kind, EH_PROCESS_END);
    ck_assert_uint_eq(b.rows[0].process, 5);
    end(&b);
}
END_TEST

/* A row keeps what added its block: the stack, or the source where there was none. */
START_TEST(origin_of_a_block)
{
    struct bench b;
    begin(&b);
    run(&b, (struct eh_event){.kind = EH_ALLOC, .address = 0x1000, .size = 1, .stack = 9,
                              .source = 2});
    run(&b, (struct eh_event){.kind = EH_ALLOC, .address = 0x2000, .size = 1, .source = 6});
    const struct eh_event *row = realloc_at(&b, 1, 0x1000, 0x1000, 2);
    ck_assert_uint_eq(row->block_stack, 9);
    ck_assert_uint_eq(row->block_source, 0);
    row = free_at(&b, 2, 0x2000);
    ck_assert_uint_eq(row->block_stack, 0);
    ck_assert_uint_eq(row->block_source, 6);
    run(&b, (struct eh_event){.kind = EH_DESTROY, .time_ns = 3});
    ck_assert_uint_eq(b.rows[0].block_stack, 9);
    end(&b);
}
END_TEST

/* Other kinds name a heap and change nothing; rows without a heap pass as they are. */
START_TEST(kinds_without_blocks)
{
    static const uint8_t kinds[] = {EH_EXTEND, EH_SNAPSHOT, EH_COMMIT, EH_LOCK, EH_UNKNOWN};
    struct bench b;
    begin(&b);
    alloc_at(&b, 0, 0x1000, 10);
    for (size_t i = 0; i < sizeof kinds; i++) {
        const struct eh_event *row =
            run(&b, (struct eh_event){.kind = kinds[i], .address = 0x1000, .size = 99});
        ck_assert_uint_eq(b.count, 1);
        expect_live(row, 10, 1);
        ck_assert_uint_eq(row->size, 99);
    }
    struct eh_event row = {.kind = EH_ALLOC, .address = 0x3000}, before = row, *first;
    ck_assert_int_eq(track_rows(&b.track, &row, 1, &first, NULL), 1);
    ck_assert_ptr_eq(first, &row);
    ck_assert_mem_eq(&row, &before, sizeof before);
    end(&b);
}
END_TEST

/* Everything a trace may hold, over few addresses, so that all of it happens often. */
static struct eh_event random_event(uint64_t *state, int64_t ns)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint32_t r = (uint32_t)(*state >> 33);
    static const uint8_t kinds[] = {EH_ALLOC, EH_ALLOC, EH_ALLOC,  EH_FREE,   EH_FREE, EH_REALLOC,
                                    EH_ALLOC, EH_FREE,  EH_CREATE, EH_DESTROY, EH_WALK,
                                    EH_PROCESS_END};
    uint8_t kind = kinds[r % (r & 0x8000 ? 8 : sizeof kinds)];
    return (struct eh_event){
        .kind = kind,
        .flags = kind == EH_PROCESS_END ? 0 : EH_HAS_HEAP,
        .time_ns = ns,
        .process = r >> 4 & 1,
        .heap = r >> 5 & 1,
        .address = (r >> 6 & 15) * 16,
        .old_address = (r >> 10 & 15) * 16,
        .size = r >> 16 & 255,
        .source = r >> 20 & 7,
    };
}

#define EVENTS 3000

/* Runs the same random events, `batch` at a time; returns the rows, which are the caller's. */
static struct eh_event *run_batches(size_t batch, size_t *ret_count)
{
    struct bench b;
    struct eh_error e = {0};
    uint64_t state = 1;
    struct eh_event *all = calloc(40 * EVENTS, sizeof *all), rows[1 + 64], *first;
    size_t count = 0;
    ck_assert_ptr_nonnull(all);
    begin(&b);
    for (size_t i = 0; i < EVENTS; i += batch) {
        for (size_t j = 0; j < batch; j++)
            rows[1 + j] = random_event(&state, (int64_t)(i + j));
        for (size_t done = 0; done < batch;) {
            int n = track_rows(&b.track, rows + 1 + done, batch - done, &first, &e);
            ck_assert_int_ge(n, 1);
            done += (size_t)n;
            size_t ready = (size_t)(rows + 1 + done - first);
            memcpy(all + count, first, ready * sizeof *all);
            count += ready;
            while (b.track.sweep.active)
                count += track_sweep(&b.track, all + count, 3);
        }
    }
    track_finish(&b.track);
    model_destroy(b.model);
    *ret_count = count;
    return all;
}

START_TEST(batches_make_no_difference)
{
    static const size_t batches[] = {2, 3, 10, 60};
    size_t count, batched_count;
    struct eh_event *rows = run_batches(1, &count);
    struct eh_event *batched = run_batches(batches[_i], &batched_count);
    ck_assert_uint_gt(count, EVENTS);
    ck_assert_uint_eq(batched_count, count);
    ck_assert_mem_eq(batched, rows, count * sizeof *rows);
    free(rows);
    free(batched);
}
END_TEST

enum { PLAIN_HEAPS = 2, PLAIN_ADDRESSES = 1500, PLAIN_EVENTS = 12000 };

/* The live state kept in the simplest way, for events that replace nothing. */
struct plain {
    struct {
        uint64_t size;
        int64_t birth;
        uint32_t number; /* 0: not live */
    } blocks[PLAIN_HEAPS][PLAIN_ADDRESSES];
    uint64_t bytes[PLAIN_HEAPS];
    uint32_t counts[PLAIN_HEAPS], added, unmatched;
};

static void expect_plain(struct plain *p, const struct eh_event *row, uint32_t heap, uint32_t at)
{
    bool live = p->blocks[heap][at].number;
    bool adds = row->kind != EH_FREE && !live, removes = row->kind == EH_FREE && live;
    ck_assert_uint_eq(!(row->flags & EH_ADDED), !adds);
    ck_assert_uint_eq(!(row->flags & EH_REMOVED), !removes);
    if (removes) {
        expect_gone(row, p->blocks[heap][at].size, row->time_ns - p->blocks[heap][at].birth);
        ck_assert_uint_eq(!(row->flags & EH_TEMPORARY), p->blocks[heap][at].number != p->added);
        p->bytes[heap] -= row->size;
        p->counts[heap]--;
        p->blocks[heap][at].number = 0;
    } else if (adds) {
        p->blocks[heap][at].birth = row->time_ns;
        p->blocks[heap][at].number = ++p->added;
        p->counts[heap]++;
    } else if (row->kind == EH_FREE) {
        p->unmatched++;
    }
    if (row->kind != EH_FREE) {
        p->bytes[heap] += row->size - (adds ? 0 : p->blocks[heap][at].size);
        p->blocks[heap][at].size = row->size;
    }
    ck_assert_uint_eq(row->heap_live_bytes, p->bytes[heap]);
    ck_assert_uint_eq(row->heap_live_blocks, p->counts[heap]);
    expect_live(row, p->bytes[0] + p->bytes[1], p->counts[0] + p->counts[1]);
}

/* Batches of allocs, frees and reallocs in place: first more and more blocks, then fewer. */
START_TEST(against_a_plain_model)
{
    enum { BATCH = 100 };
    static struct plain p;
    static struct eh_event rows[1 + BATCH];
    static uint32_t at[BATCH];
    struct bench b;
    struct eh_error e = {0};
    begin(&b);
    p = (struct plain){0};
    srand((unsigned)_i + 1);
    for (int64_t n = 0; n < PLAIN_EVENTS; n += BATCH) {
        bool taken[PLAIN_HEAPS][PLAIN_ADDRESSES] = {{false}};
        for (int i = 0; i < BATCH; i++) {
            uint32_t heap = (uint32_t)rand() % PLAIN_HEAPS;
            do /* not twice in a batch: whether it is live then is not known yet */
                at[i] = (uint32_t)rand() % PLAIN_ADDRESSES;
            while (taken[heap][at[i]]);
            taken[heap][at[i]] = true;
            bool live = p.blocks[heap][at[i]].number, frees = n < PLAIN_EVENTS / 2 ? rand() % 3 < 1
                                                                                : rand() % 3 < 2;
            rows[1 + i] = (struct eh_event){
                .kind = frees ? EH_FREE : live ? EH_REALLOC : EH_ALLOC,
                .flags = EH_HAS_HEAP,
                .time_ns = n + i,
                .process = PROCESS,
                .heap = HEAP + heap,
                .address = 16 + 16 * (uint64_t)at[i],
                .old_address = 16 + 16 * (uint64_t)at[i],
                .size = (uint64_t)rand(),
            };
        }
        ck_assert_int_eq(track_rows(&b.track, rows + 1, BATCH, &b.rows, &e), BATCH);
        ck_assert_ptr_eq(b.rows, rows + 1);
        b.count = BATCH;
        add_up(&b);
        for (int i = 0; i < BATCH; i++)
            expect_plain(&p, &b.rows[i], (uint32_t)(b.rows[i].heap - HEAP), at[i]);
    }
    ck_assert_uint_eq(b.stats.unmatched_frees, p.unmatched);
    ck_assert_uint_eq(b.blocks, p.counts[0] + p.counts[1]);
    end(&b);
}
END_TEST

/* More heaps than the cache of recent ones has places. */
START_TEST(many_heaps)
{
    struct bench b;
    begin(&b);
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 1; i <= 1000; i++) {
            const struct eh_event *row = run(&b, (struct eh_event){
                .kind = round ? EH_FREE : EH_ALLOC, .process = i % 3 + 1, .heap = i / 3 + 1,
                .address = 0x1000, .size = i});
            ck_assert_uint_eq(row->size, i);
            ck_assert_uint_eq(row->heap_live_blocks, round ? 0 : 1);
            ck_assert_uint_eq(eh_model_heap(b.model, row->heap_index)->handle, i / 3 + 1);
            ck_assert_uint_eq(eh_model_heap(b.model, row->heap_index)->process, i % 3 + 1);
        }
    ck_assert_uint_eq(eh_model_heaps(b.model), 1001);
    ck_assert_uint_eq(b.stats.unmatched_frees, 0);
    end(&b);
}
END_TEST

/* By time of birth, equal ones in the order of the events, whosever they are and in rooms of every
 * size. The event count passes 2^32 on the way. */
START_TEST(outstanding_by_birth)
{
    static const struct {
        int64_t ns;
        uint32_t process;
        uint64_t address;
    } births[] = {{50, 2, 0x10}, {7, 1, 0x20},  {7, 2, 0x30},
                  {7, 1, 0x40},  {-3, 1, 0x50}, {9, 1, 0x60}},
      expected[] = {{-3, 1, 0x50}, {7, 1, 0x20}, {7, 2, 0x30}, {7, 1, 0x40}, {50, 2, 0x10}};
    enum { OUTSTANDING = sizeof expected / sizeof *expected };
    struct bench b;
    struct outstanding o = {0};
    begin(&b);
    b.track.added = UINT32_MAX - 2;
    for (size_t i = 0; i < sizeof births / sizeof *births; i++)
        run(&b, (struct eh_event){.kind = EH_ALLOC, .time_ns = births[i].ns,
                                  .process = births[i].process, .address = births[i].address,
                                  .size = 100, .stack = 5});
    free_at(&b, 60, 0x60);
    ck_assert_int_eq(outstanding_list(&o, &b.track, NULL), 0);
    size_t count = 0, n;
    struct eh_event rows[OUTSTANDING + 1];
    while ((n = outstanding_rows(&o, &b.track, rows + count, (size_t)_i)))
        count += n;
    ck_assert_uint_eq(count, OUTSTANDING);
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(rows[i].kind, EH_OUTSTANDING);
        ck_assert_int_eq(rows[i].time_ns, expected[i].ns);
        ck_assert_uint_eq(rows[i].process, expected[i].process);
        ck_assert_uint_eq(rows[i].address, expected[i].address);
        ck_assert_uint_eq(rows[i].size, 100);
        ck_assert_uint_eq(rows[i].heap, HEAP);
        ck_assert_uint_eq(rows[i].thread_id, 7);
        ck_assert_uint_eq(rows[i].block_stack, 5);
    }
    outstanding_finish(&o);
    end(&b);
}
END_TEST

/* A block that replaced another keeps its own thread, time and size beside the other's. */
START_TEST(outstanding_after_replacing)
{
    struct bench b;
    struct outstanding o = {0};
    struct eh_event row;
    begin(&b);
    for (int i = 0; i < 3; i++) {
        struct eh_event event = {.kind = EH_ALLOC, .flags = EH_HAS_HEAP, .process = PROCESS,
                                 .heap = HEAP, .time_ns = -5 + 10 * i, .address = 0x1000,
                                 .size = 10u + (unsigned)i, .thread_id = 70u + (unsigned)i};
        b.room[1] = event;
        ck_assert_int_eq(track_rows(&b.track, b.room + 1, 1, &b.rows, NULL), 1);
        b.count = (size_t)(b.room + 2 - b.rows);
        add_up(&b);
    }
    if (_i) {
        free_at(&b, _i == 1 ? 20 : 2000000, 0x1000);
        ck_assert_uint_eq(b.blocks, _i == 1);
    }
    ck_assert_int_eq(outstanding_list(&o, &b.track, NULL), 0);
    ck_assert_uint_eq(outstanding_rows(&o, &b.track, &row, 1), b.blocks);
    if (b.blocks) {
        ck_assert_int_eq(row.time_ns, 15);
        ck_assert_uint_eq(row.size, 12);
        ck_assert_uint_eq(row.thread_id, 72);
        ck_assert_uint_eq(row.address, 0x1000);
    }
    outstanding_finish(&o);
    end(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("track");
    TCase *tests = tcase_create("blocks");
    tcase_add_test(tests, alloc_and_free);
    tcase_add_test(tests, nothing_to_free);
    tcase_add_test(tests, time_that_steps_back);
    tcase_add_loop_test(tests, late_free, 0, LATE_CASES);
    tcase_add_test(tests, replaced_blocks_are_given_back);
    tcase_add_test(tests, realloc_in_place);
    tcase_add_test(tests, realloc_summary);
    tcase_add_test(tests, realloc_without_its_alloc);
    tcase_add_test(tests, realloc_without_its_free);
    tcase_add_test(tests, realloc_ages_far_apart);
    tcase_add_loop_test(tests, heap_ends, 0, 2 * BLOCKS + 6);
    tcase_add_loop_test(tests, process_end, 1, 2 * BLOCKS + 4);
    tcase_add_test(tests, process_without_blocks_ends);
    tcase_add_test(tests, origin_of_a_block);
    tcase_add_test(tests, kinds_without_blocks);
    tcase_add_loop_test(tests, batches_make_no_difference, 0, 4);
    tcase_add_loop_test(tests, against_a_plain_model, 0, 3);
    tcase_add_test(tests, many_heaps);
    tcase_add_loop_test(tests, outstanding_by_birth, 1, 4);
    tcase_add_loop_test(tests, outstanding_after_replacing, 0, 3);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
