/* Any bytes as a trace: container, decoding, stacks and live state. The rows are added up again and
 * must agree with the live figures they carry and with the counts at the end. Then the same with an
 * input that changes behind the first pass. */
#include "fuzz.h"
#include "os_memory.h"

#include "base/hash.h"
#include "container/etl_layout.h"
#include "etlheap.h"

#include <string.h>

struct sums {
    uint64_t *heap_bytes;   /* by heap index */
    uint32_t *heap_blocks;
    uint64_t *process_bytes; /* by process instance */
    uint32_t *process_blocks;
    size_t heap_room, process_room;
    uint64_t bytes, blocks, peak;
    uint64_t kinds[EH_KINDS];
    uint64_t stacks;
};

static void *grown(void *array, size_t from, size_t to, size_t element)
{
    char *bigger = realloc(array, to * element);
    REQUIRE(bigger);
    memset(bigger + from * element, 0, (to - from) * element);
    return bigger;
}

static void make_room(struct sums *s, const struct eh_model *m)
{
    size_t heaps = eh_model_heaps(m), processes = eh_model_processes(m);
    s->heap_bytes = grown(s->heap_bytes, s->heap_room, heaps, sizeof *s->heap_bytes);
    s->heap_blocks = grown(s->heap_blocks, s->heap_room, heaps, sizeof *s->heap_blocks);
    s->process_bytes = grown(s->process_bytes, s->process_room, processes, sizeof *s->process_bytes);
    s->process_blocks =
        grown(s->process_blocks, s->process_room, processes, sizeof *s->process_blocks);
    s->heap_room = heaps;
    s->process_room = processes;
}

static void check_stack(const struct eh_model *m, uint32_t id)
{
    REQUIRE(id < eh_model_stacks(m));
    if (!id)
        return;
    struct eh_stack stack = eh_model_stack(m, id);
    REQUIRE(stack.depth > 0 && stack.process < eh_model_processes(m));
    for (uint32_t i = 0; i < stack.depth; i++) {
        REQUIRE(stack.frames[i] > 0 && stack.frames[i] < eh_model_frames(m));
        REQUIRE(eh_model_frame(m, stack.frames[i])->image < eh_model_images(m));
    }
}

static void check_ids(const struct eh_model *m, const struct eh_event *row)
{
    REQUIRE(row->kind < EH_KINDS);
    REQUIRE(row->process < eh_model_processes(m));
    REQUIRE(row->thread < eh_model_threads(m));
    REQUIRE(row->heap_index < eh_model_heaps(m));
    check_stack(m, row->stack);
    check_stack(m, row->block_stack);
    if (!row->heap_index)
        return;
    const struct eh_heap *heap = eh_model_heap(m, row->heap_index);
    REQUIRE(heap->process == row->process);
    REQUIRE(!(row->flags & EH_HAS_HEAP) || heap->handle == row->heap);
}

/* A row changes one block in one way, and only kinds that may. */
static void check_change(const struct eh_event *row)
{
    unsigned change = row->flags & (EH_ADDED | EH_REMOVED | EH_RESIZED);
    REQUIRE((change & (change - 1)) == 0);
    REQUIRE(!change || row->kind == EH_ALLOC || row->kind == EH_FREE || row->kind == EH_REALLOC ||
            row->kind == EH_DROP);
    REQUIRE(row->kind != EH_DROP || change == EH_REMOVED);
    REQUIRE(!(row->flags & EH_REPLACED) || !change);
    REQUIRE(!(row->flags & EH_HAS_LIFETIME) || change == EH_RESIZED || row->lifetime_ns >= 0);
}

static void change(struct sums *s, const struct eh_event *row, uint64_t bytes, int blocks)
{
    uint32_t heap = row->heap_index, process = row->process;
    REQUIRE(blocks >= 0 || (s->heap_blocks[heap] && s->process_blocks[process] && s->blocks));
    s->heap_bytes[heap] += bytes;
    s->process_bytes[process] += bytes;
    s->bytes += bytes;
    s->heap_blocks[heap] += (uint32_t)blocks;
    s->process_blocks[process] += (uint32_t)blocks;
    s->blocks += (uint64_t)blocks;
    /* A block that goes is no peak, not even where the sum has passed 64 bits. */
    if (blocks >= 0 && s->bytes > s->peak)
        s->peak = s->bytes;
}

static void add_row(struct sums *s, const struct eh_event *row)
{
    if (row->flags & EH_ADDED)
        change(s, row, row->size, 1);
    if (row->flags & EH_REMOVED)
        change(s, row, -row->size, -1);
    if (row->flags & EH_RESIZED)
        change(s, row, row->size - row->previous_size, 0);
    s->kinds[row->kind]++;
    s->stacks += row->kind < EH_HEAP_KINDS && row->stack;
    if (!(row->flags & EH_HAS_LIVE))
        return;
    REQUIRE(row->heap_live_bytes == s->heap_bytes[row->heap_index]);
    REQUIRE(row->heap_live_blocks == s->heap_blocks[row->heap_index]);
    REQUIRE(row->process_live_bytes == s->process_bytes[row->process]);
    REQUIRE(row->process_live_blocks == s->process_blocks[row->process]);
}

static void check_stats(const struct sums *s, const struct eh_stats *stats,
                        const struct eh_info *info)
{
    uint64_t total = 0;
    for (int kind = 0; kind < EH_HEAP_KINDS; kind++) {
        REQUIRE(stats->heap_events[kind] == s->kinds[kind]);
        total += s->kinds[kind];
    }
    REQUIRE(stats->heap_events_total == total);
    REQUIRE(total == info->heap_records && total <= stats->events);
    REQUIRE(stats->outstanding_bytes == s->bytes && stats->outstanding_blocks == s->blocks);
    REQUIRE(stats->peak_live_bytes == s->peak);
    REQUIRE(stats->stacks_attached == s->stacks);
    REQUIRE(stats->implicit_frees + stats->replaced_allocs <= s->kinds[EH_DROP]);
    REQUIRE(stats->unmatched_frees <= s->kinds[EH_FREE]);
    REQUIRE(!stats->has_times || stats->first_time_ns <= stats->last_time_ns);
}

static void check_names(const struct eh_model *m)
{
    for (uint32_t i = 0; i < eh_model_threads(m); i++)
        REQUIRE(eh_model_thread(m, i)->process < eh_model_processes(m));
    for (uint32_t i = 1; i < eh_model_images(m); i++)
        REQUIRE(eh_model_image(m, i)->path && eh_model_image(m, i)->file_name);
}

static void count_notice(void *context, const struct eh_notice *n)
{
    uint64_t *damage = context;
    REQUIRE(n->text && *n->text && n->offset >= EH_NO_OFFSET && n->length >= 0);
    *damage += n->severity == EH_DAMAGE;
}

static void read_trace(const char *path)
{
    struct eh_reader *r;
    struct eh_error e = {0};
    struct sums s = {0};
    uint64_t damage = 0;
    const struct eh_options options = {.notice = count_notice, .context = &damage};
    if (eh_open(&r, &path, 1, &options, &e) < 0) {
        REQUIRE(e.code != EH_OK && *e.text);
        return;
    }
    const struct eh_event *rows;
    size_t count;
    int more;
    while ((more = eh_next(r, &rows, &count, &e)) > 0) {
        REQUIRE(count > 0 && count <= EH_BATCH_ROWS);
        make_room(&s, eh_model(r));
        for (size_t i = 0; i < count; i++) {
            check_ids(eh_model(r), &rows[i]);
            check_change(&rows[i]);
            add_row(&s, &rows[i]);
        }
    }
    REQUIRE(more == 0);
    check_stats(&s, eh_stats(r), eh_info(r));
    check_names(eh_model(r));
    const struct eh_stats *stats = eh_stats(r);
    uint64_t lost = stats->buffers_damaged | stats->bytes_skipped | stats->inputs_truncated;
    for (int what = 0; what < EH_LEFT_KINDS; what++)
        lost |= stats->left_out[what];
    REQUIRE((damage != 0) == (lost != 0));
    eh_close(r);
    free(s.heap_bytes);
    free(s.heap_blocks);
    free(s.process_bytes);
    free(s.process_blocks);
}

/* A stack of one frame, of the event at time 0 of nobody. */
static const uint8_t stack_record[40] = {
    [2] = REC_PERFINFO64, [3] = REC_MARK_TRACE, [4] = sizeof stack_record,
    [6] = 0x20,           [7] = 0x18,           [32] = 1};

/* A place before `at` where a record seems to begin: so many of them before. */
static size_t record_before(const uint8_t *bytes, size_t at, unsigned count)
{
    for (at &= ~(size_t)7; at >= 8; at -= 8)
        if (bytes[at - 8 + 3] == REC_MARK_TRACE && !count--)
            return at - 8;
    return at;
}

/* What might have been written over an input: parts of it elsewhere, another byte, or a stack,
 * which traces without any are not prepared for; by the bytes themselves. */
static uint8_t *changed_copy(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length + sizeof stack_record);
    REQUIRE(copy);
    memcpy(copy, bytes, length);
    memset(copy + length, 0, sizeof stack_record);
    uint64_t hash = hash_bytes(bytes, length);
    for (int n = (int)(hash % 8); n >= 0; n--, hash = hash_u64(hash)) {
        size_t from = record_before(bytes, (size_t)((hash >> 32) % (length + 1)), hash >> 8 & 15);
        size_t to = record_before(bytes, (size_t)((hash >> 16) % (length + 1)), hash >> 12 & 15);
        size_t most = length - (from > to ? from : to);
        if (hash >> 62 == 0)
            memmove(copy + to, copy + from, (size_t)(hash_u64(hash) % (most + 1)));
        else if (hash >> 62 == 1)
            copy[to + (hash & 31)] ^= (uint8_t)(hash >> 5);
        else
            memcpy(copy + to, stack_record, sizeof stack_record);
    }
    return copy;
}

/* The input changes behind the first pass. That may end anyhow, but in good order. */
static void read_changed(const char *path, const uint8_t *bytes, size_t length)
{
    struct eh_reader *r;
    struct eh_error e = {0};
    if (eh_open(&r, &path, 1, NULL, &e) < 0)
        return;
    uint8_t *copy = changed_copy(bytes, length);
    os_memory_change(copy, length - (copy[length / 2] % 16 == 0 ? length / 4 : 0));
    const struct eh_event *rows;
    size_t count;
    int more;
    while ((more = eh_next(r, &rows, &count, &e)) > 0)
        for (size_t i = 0; i < count; i++)
            check_ids(eh_model(r), &rows[i]);
    REQUIRE(more == 0 || (e.code != EH_OK && *e.text));
    eh_close(r);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    os_memory_set(bytes, length);
    read_trace("trace");
    read_changed("trace", bytes, length);
    return 0;
}
