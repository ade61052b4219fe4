#include "decode/heap.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* decode/FORMAT.md C.2: bytes of each version's payload with 4- and 8-byte pointers. */
static const struct layout {
    uint8_t type;
    uint8_t kind;
    uint8_t bytes[3][2]; /* by version; 0: no such version */
} layouts[] = {
    {0x20, EH_CREATE, {{8, 12}, {20, 36}}},
    {0x21, EH_ALLOC, {{16, 28}}},
    {0x22, EH_REALLOC, {{24, 44}}},
    {0x23, EH_DESTROY, {{4, 8}}},
    {0x24, EH_FREE, {{12, 20}}},
    {0x25, EH_EXTEND, {{28, 52}, {32, 60}}},
    {0x26, EH_SNAPSHOT, {{20, 36}, {36, 56}, {40, 64}}},
    {0x2A, EH_CONTRACT, {{28, 52}, {32, 60}}},
    {0x2B, EH_LOCK, {{4, 8}}},
    {0x2C, EH_UNLOCK, {{4, 8}}},
    {0x2D, EH_VALIDATE, {{4, 8}}},
    {0x2E, EH_WALK, {{4, 8}}},
    {0x2F, EH_SUBSEGMENT_ALLOC, {{16, 32}}},
    {0x30, EH_SUBSEGMENT_FREE, {{16, 32}}},
    {0x31, EH_SUBSEGMENT_ALLOC_CACHE, {{16, 32}}},
    {0x32, EH_SUBSEGMENT_FREE_CACHE, {{16, 32}}},
    {0x33, EH_COMMIT, {{16, 28}}},
    {0x34, EH_DECOMMIT, {{16, 28}}},
    {0x35, EH_SUBSEGMENT_INIT, {{20, 36}}},
    {0x36, EH_AFFINITY_ENABLE, {{8, 12}}},
    {0x38, EH_SUBSEGMENT_ACTIVATED, {{8, 16}}},
    {0x39, EH_AFFINITY_ASSIGN, {{12, 20}}},
    {0x3A, EH_REUSE_THRESHOLD_ACTIVATED, {{12, 20}}},
};
#define LAYOUTS (int)(sizeof layouts / sizeof *layouts)
#define LONGEST 80

/* Where the fields that are kept lie, in pointers and bytes behind them; -1: not there. */
static const struct offsets {
    uint8_t type;
    int8_t size, address, old_address, old_size, source;
} offsets[] = {
    {0x21, 1, 2, -1, -1, 3},    {0x22, 3, 1, 2, 4, 5},      {0x24, -1, 1, -1, -1, 2},
    {0x25, 1, 2, -1, -1, -1},   {0x26, 2, -1, -1, -1, -1},  {0x2A, 1, 2, -1, -1, -1},
    {0x33, 2, 1, -1, -1, -1},   {0x34, 2, 1, -1, -1, -1},
};

static struct offsets offsets_of(unsigned type)
{
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
        if (offsets[i].type == type)
            return offsets[i];
    return (struct offsets){(uint8_t)type, -1, -1, -1, -1, -1};
}

static uint64_t pointer_at(const uint8_t *p, unsigned n, unsigned pointer_size)
{
    return pointer_size == 8 ? load_u64(p + 8 * n) : load_u32(p + 4 * n);
}

/* Decodes a payload of `length` bytes in a block of just that length. */
static enum heap_fit decode(const uint8_t *bytes, uint32_t length, unsigned pointer_size,
                            unsigned type, bool exact, struct eh_event *row,
                            struct heap_extra *extra)
{
    uint8_t *block = malloc(length ? length : 1);
    ck_assert_ptr_nonnull(block);
    memcpy(block, bytes, length);
    struct record r = {
        .payload = block, .payload_size = length, .pointer_size = (uint8_t)pointer_size};
    *row = (struct eh_event){0};
    memset(extra, 0xEE, sizeof *extra);
    enum heap_fit fit = heap_decode(&r, type, exact, row, extra);
    free(block);
    return fit;
}

static void fill(uint8_t bytes[LONGEST])
{
    for (unsigned i = 0; i < LONGEST; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
}

/* The row must hold what the payload holds, read with that pointer size, and nothing else. */
static void expect_fields(const struct eh_event *row, const uint8_t *p, unsigned type,
                          unsigned pointer_size)
{
    struct offsets o = offsets_of(type);
    unsigned flags = EH_HAS_HEAP | (o.size >= 0 ? EH_HAS_SIZE : 0) |
                     (o.address >= 0 ? EH_HAS_ADDRESS : 0) | (o.source >= 0 ? EH_HAS_SOURCE : 0);
    ck_assert_uint_eq(row->flags, flags);
    ck_assert_uint_eq(row->heap, pointer_at(p, 0, pointer_size));
    if (row->kind == EH_CREATE)
        ck_assert_uint_eq(row->heap_flags, load_u32(p + pointer_size));
    else
        ck_assert_uint_eq(row->size, o.size < 0 ? 0 : pointer_at(p, o.size, pointer_size));
    ck_assert_uint_eq(row->address, o.address < 0 ? 0 : pointer_at(p, o.address, pointer_size));
    ck_assert_uint_eq(row->old_address,
                      o.old_address < 0 ? 0 : pointer_at(p, o.old_address, pointer_size));
    ck_assert_uint_eq(row->old_size, o.old_size < 0 ? 0 : pointer_at(p, o.old_size, pointer_size));
    ck_assert_uint_eq(row->source, o.source < 0 ? 0 : load_u32(p + o.source * (int)pointer_size));
}

/* What a payload of `length` bytes is, by the table above alone: the pointer size it is read with,
 * or 0 when it fits nothing. *ret_version: which of the layouts. */
static unsigned reading(const struct layout *l, uint32_t length, unsigned own, bool exact,
                        int *ret_version)
{
    const unsigned sizes[] = {own, 12 - own};
    for (int s = 0; s < 2; s++)
        for (*ret_version = 0; *ret_version < 3; ++*ret_version)
            if (length && l->bytes[*ret_version][sizes[s] == 8] == length)
                return sizes[s];
    for (*ret_version = 2; *ret_version >= 0 && !exact; --*ret_version)
        if (l->bytes[*ret_version][own == 8] && l->bytes[*ret_version][own == 8] < length)
            return own;
    return 0;
}

/* Every length from none to beyond the longest: exact, a byte shorter, longer, the other size. */
START_TEST(every_length)
{
    const struct layout *l = &layouts[_i / 4];
    unsigned own = _i & 1 ? 8 : 4;
    bool exact = _i & 2;
    uint8_t bytes[LONGEST];
    fill(bytes);
    for (uint32_t length = 0; length <= LONGEST; length++) {
        struct eh_event row;
        struct heap_extra extra;
        enum heap_fit fit = decode(bytes, length, own, l->type, exact, &row, &extra);
        int version;
        unsigned pointer_size = reading(l, length, own, exact, &version);
        ck_assert_uint_eq(row.kind, l->kind);
        ck_assert_uint_eq(row.hook, 0x1000 | l->type);
        ck_assert_int_eq(fit, pointer_size ? HEAP_FITS : HEAP_MISFIT);
        if (pointer_size) {
            expect_fields(&row, bytes, l->type, pointer_size);
        } else {
            ck_assert_uint_eq(row.flags, 0);
            ck_assert_uint_eq(row.heap | row.address | row.size, 0);
        }
        bool names_process = pointer_size && l->type == 0x26 && version >= 1;
        ck_assert_int_eq(extra.has_process_id, names_process);
        if (names_process)
            ck_assert_uint_eq(extra.process_id, load_u32(bytes + 4 * pointer_size + 4));
    }
}
END_TEST

/* The cases that matter, spelled out, for the rule in reading() is a rule as well. */
static const struct fit_case {
    uint8_t type, pointer_size, length;
    bool exact;
    uint8_t fit;
    uint8_t read_as; /* pointer size */
} fit_cases[] = {
    {0x21, 8, 28, true, HEAP_FITS, 8},
    {0x21, 8, 27, false, HEAP_MISFIT, 0},
    {0x21, 8, 29, false, HEAP_FITS, 8},
    {0x21, 8, 29, true, HEAP_MISFIT, 0},
    {0x21, 8, 16, false, HEAP_FITS, 4},
    {0x21, 8, 16, true, HEAP_FITS, 4},
    {0x21, 4, 28, false, HEAP_FITS, 8},
    {0x21, 4, 27, false, HEAP_FITS, 4},
    {0x21, 8, 17, false, HEAP_MISFIT, 0},
    {0x21, 4, 15, false, HEAP_MISFIT, 0},
    {0x24, 4, 12, false, HEAP_FITS, 4},
    {0x24, 4, 20, false, HEAP_FITS, 8},
    {0x24, 8, 12, false, HEAP_FITS, 4},
    {0x33, 8, 32, false, HEAP_FITS, 8},
    {0x33, 8, 32, true, HEAP_MISFIT, 0},
    {0x22, 8, 43, false, HEAP_MISFIT, 0},
    {0x23, 8, 0, false, HEAP_MISFIT, 0},
    {0x23, 8, 7, false, HEAP_MISFIT, 0},
    /* 36 bytes of a snapshot are version 2 with small, version 1 with large pointers. */
    {0x26, 4, 36, true, HEAP_FITS, 4},
    {0x26, 8, 36, true, HEAP_FITS, 8},
};
#define FIT_CASES (int)(sizeof fit_cases / sizeof *fit_cases)

START_TEST(chosen_cases)
{
    const struct fit_case *c = &fit_cases[_i];
    uint8_t bytes[LONGEST];
    fill(bytes);
    struct eh_event row;
    struct heap_extra extra;
    enum heap_fit fit = decode(bytes, c->length, c->pointer_size, c->type, c->exact, &row, &extra);
    ck_assert_int_eq(fit, c->fit);
    if (fit == HEAP_FITS)
        expect_fields(&row, bytes, c->type, c->read_as);
    if (c->type == 0x26)
        ck_assert_int_eq(extra.has_process_id, c->pointer_size == 4);
}
END_TEST

/* Types of the group that nobody documents, and those outside the table. */
static void expect_type(unsigned type)
{
    const struct layout *known = NULL;
    for (int i = 0; i < LAYOUTS; i++)
        if (layouts[i].type == type)
            known = &layouts[i];
    ck_assert_int_eq(heap_kind(type), known ? known->kind : EH_UNKNOWN);
    uint8_t bytes[LONGEST];
    fill(bytes);
    struct eh_event row;
    struct heap_extra extra;
    enum heap_fit fit = decode(bytes, LONGEST, 8, type, false, &row, &extra);
    ck_assert_int_eq(fit, known ? HEAP_FITS : HEAP_UNKNOWN_TYPE);
    ck_assert_uint_eq(row.hook, 0x1000 | type);
    if (!known)
        ck_assert_uint_eq(row.flags, 0);
}

START_TEST(every_type)
{
    for (unsigned type = 0; type < 256; type++)
        expect_type(type);
}
END_TEST

/* The short way, of a record of which nothing lies behind its payload. What it sets held something
 * else before. */
static bool decode_common(const uint8_t *payload, uint32_t length, unsigned type,
                          unsigned pointer_size, struct eh_event *row)
{
    unsigned hook = HEAP_GROUP << 8 | type;
    uint8_t record_kind = pointer_size == 8 ? REC_SYSTEM64 : REC_SYSTEM32;
    const struct heap_layout *layout = heap_layout_of(REC_WORD(record_kind, length, hook));
    const union heap_head place = {.part = {.cpu = 5, .flags = EH_HAS_CPU}};
    if (!layout)
        return false;
    uint8_t *record = malloc(SYSTEM_BYTES + length);
    ck_assert_ptr_nonnull(record);
    memset(record, 0xBB, SYSTEM_BYTES);
    memcpy(record + SYSTEM_BYTES, payload, length);
    size_t before = offsetof(struct eh_event, cpu);
    memset((char *)row + before, 0xAA, sizeof *row - before);
    heap_decode_common(layout, record, &place, row);
    free(record);
    ck_assert_uint_eq(layout->step, (SYSTEM_BYTES + length + 7) / 8 * 8);
    ck_assert_uint_eq(row->cpu, 5);
    ck_assert_uint_ne(row->flags & EH_HAS_CPU, 0);
    row->cpu = 0;
    row->flags &= (uint16_t)~EH_HAS_CPU;
    return true;
}

/* The short way must do what the long one does, or nothing. */
START_TEST(common_equals_any)
{
    unsigned pointer_size = _i & 1 ? 8 : 4, type = (unsigned)_i / 2;
    bool is_common = type == 0x21 || type == 0x22 || type == 0x24;
    uint8_t bytes[LONGEST];
    fill(bytes);
    int taken = 0;
    for (uint32_t length = 0; length <= LONGEST; length++) {
        struct eh_event any, common = {0}, untouched = {0};
        struct heap_extra extra;
        bool done = decode_common(bytes, length, type, pointer_size, &common);
        enum heap_fit fit = decode(bytes, length, pointer_size, type, true, &any, &extra);
        if (done)
            ck_assert_int_eq(fit, HEAP_FITS);
        ck_assert_mem_eq(&common, done ? &any : &untouched, sizeof common);
        taken += done;
    }
    ck_assert_int_eq(taken, is_common);
}
END_TEST

/* What a record's first bytes may be without being one of the six. */
START_TEST(nothing_else_is_common)
{
    for (unsigned i = 0; i < HEAP_LAYOUTS; i++) {
        uint64_t word = heap_layouts[i].word;
        for (unsigned bit = 0; word && word != UINT64_MAX && bit < 48; bit++)
            ck_assert_ptr_null(heap_layout_of(word ^ (uint64_t)1 << bit));
    }
    ck_assert_ptr_null(heap_layout_of(0));
    ck_assert_ptr_null(heap_layout_of(UINT64_MAX >> 16));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heap");
    TCase *tests = tcase_create("payloads");
    tcase_add_loop_test(tests, every_length, 0, 4 * LAYOUTS);
    tcase_add_loop_test(tests, chosen_cases, 0, FIT_CASES);
    tcase_add_test(tests, every_type);
    tcase_add_loop_test(tests, common_equals_any, 0, 2 * 0x40);
    tcase_add_test(tests, nothing_else_is_common);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
