#include "track/live.h"

#include "base/limits.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESSES  5000
#define OPERATIONS 100000

/* Check's own assertions write to a pipe each time: too slow for what runs a million times. */
#define EXPECT(condition)                   \
    do {                                    \
        if (!(condition))                   \
            ck_abort_msg("%s", #condition); \
    } while (0)

/* What the table must know, kept in the simplest way: an id for each of the addresses. */
struct naive {
    uint64_t addresses[ADDRESSES];
    uint32_t ids[ADDRESSES]; /* 0: not live */
    uint32_t count;
};

static struct live_place seek(const struct live *l, const struct slab *s, uint64_t address)
{
    return live_seek(l, s, live_hash(s, address));
}

/* Every table must be sound: each entry reachable from its home without an empty slot between,
 * as many as are counted, and never more than half full. */
static void expect_sound(const struct live *l, const struct slab *s)
{
    uint32_t entries = 0;
    for (size_t i = 0; i <= l->mask; i++) {
        uint32_t id = l->slots[i].id;
        if (!id)
            continue;
        entries++;
        struct live_place p = seek(l, s, live_address(s, l->slots[i].tag, slab_block(s, id)));
        EXPECT(p.id == id && p.at == i);
    }
    ck_assert_uint_eq(entries, l->count);
    ck_assert_uint_le(l->count, l->most);
    ck_assert(l->slots == s->no_slots ? l->most == 0
                                      : l->most == ((uint64_t)l->mask + 1) / 2);
    ck_assert(!s->no_slots[0].id && !s->no_slots[1].id);
}

static uint32_t add(struct live *l, struct slab *s, uint64_t address, uint32_t number)
{
    struct live_place p = seek(l, s, address);
    EXPECT(p.id == 0);
    uint32_t id = slab_take(s);
    EXPECT(id != 0);
    *slab_block(s, id) = (struct block){
        .hash_low = (uint32_t)live_hash(s, address), .size = ~address, .number = number};
    EXPECT(live_put(l, p, id) == 0);
    return id;
}

static void take_out(struct live *l, struct slab *s, uint64_t address, uint32_t id)
{
    struct live_place p = seek(l, s, address);
    EXPECT(p.id == id);
    EXPECT(slab_block(s, id)->size == ~address); /* no other block has written over it */
    live_cut(l, p);
    slab_give(s, id);
}

static uint64_t random_address(void)
{
    return (uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand();
}

/* Addresses as a heap has them, at random, or all with a hash that fits few homes. */
static void make_addresses(struct naive *n, const struct slab *s, int kind)
{
    for (uint64_t i = 0; i < ADDRESSES; i++) {
        uint64_t address;
        do
            address = kind == 0 ? 0x20000000000 + i * 16 : random_address() << 13 | i;
        while (kind == 2 && live_hash(s, address) >> 56 > 1);
        n->addresses[i] = address;
    }
}

static void operate(int kind, uint32_t keep)
{
    static struct naive n;
    n = (struct naive){0};
    struct slab s = {.salt = UINT64_C(0x123456789ABCDEF)};
    struct live l;
    live_init(&l, &s);
    make_addresses(&n, &s, kind);
    /* Long runs are slow, as they must be. */
    int operations = kind == 2 ? OPERATIONS / 10 : OPERATIONS;
    for (int i = 0; i < operations; i++) {
        /* Between few and many, so that the table grows and runs close up again. */
        uint32_t k = (uint32_t)rand() % (i / 10000 % 2 ? keep : ADDRESSES);
        uint64_t address = n.addresses[k];
        EXPECT(seek(&l, &s, address).id == n.ids[k]);
        if (n.ids[k]) {
            take_out(&l, &s, address, n.ids[k]);
            n.ids[k] = 0;
            n.count--;
        } else {
            n.ids[k] = add(&l, &s, address, (uint32_t)i);
            n.count++;
        }
        EXPECT(l.count == n.count);
        if (i % 5000 == 0)
            expect_sound(&l, &s);
    }
    for (size_t k = 0; k < ADDRESSES; k++)
        EXPECT(seek(&l, &s, n.addresses[k]).id == n.ids[k]);
    expect_sound(&l, &s);
    ck_assert_uint_le(s.most_taken, ADDRESSES); /* what is given back is taken again */
    live_clear(&l, &s);
    slab_finish(&s);
}

START_TEST(against_a_naive_table)
{
    srand((unsigned)_i + 1);
    operate(_i, 300);
}
END_TEST

/* Entries of one home, and of the next ones, around the end of the table: cutting any of them must
 * leave the others where a search finds them. */
START_TEST(backward_shift)
{
    enum { ENTRIES = 8 };
    srand((unsigned)_i + 1);
    struct slab s = {0};
    uint64_t addresses[ENTRIES];
    uint32_t ids[ENTRIES];
    for (int i = 0; i < ENTRIES; i++)
        do
            addresses[i] = random_address() << 8 | (uint64_t)i;
        while (((live_hash(&s, addresses[i]) >> 60) + 4) % 16 > (unsigned)_i % 8);
    for (int cut = 0; cut < ENTRIES; cut++) {
        struct live l;
        live_init(&l, &s);
        for (int i = 0; i < ENTRIES; i++)
            ids[i] = add(&l, &s, addresses[i], 0);
        ck_assert_uint_eq(l.mask, 15);
        for (int i = 0; i < ENTRIES; i++) {
            int gone = (cut + i) % ENTRIES;
            take_out(&l, &s, addresses[gone], ids[gone]);
            ids[gone] = 0;
            expect_sound(&l, &s);
            for (int j = 0; j < ENTRIES; j++)
                EXPECT(seek(&l, &s, addresses[j]).id == ids[j]);
        }
        ck_assert_uint_eq(l.count, 0);
        live_clear(&l, &s);
    }
    slab_finish(&s);
}
END_TEST

START_TEST(grows_when_half_full)
{
    struct slab s = {0};
    struct live l;
    size_t slots = 0;
    live_init(&l, &s);
    for (uint32_t i = 1; i <= 10000; i++) {
        add(&l, &s, i * 32, i);
        if (l.mask + 1 != slots) {
            ck_assert_uint_eq(l.mask + 1, slots ? 2 * slots : 16);
            if (slots)
                ck_assert_uint_eq(i, slots / 2 + 1);
            slots = (size_t)l.mask + 1;
            expect_sound(&l, &s);
        }
    }
    ck_assert_uint_eq(slots, 32768);
    for (uint32_t i = 1; i <= 10000; i++)
        ck_assert_uint_ne(seek(&l, &s, i * 32).id, 0);
    ck_assert_uint_eq(seek(&l, &s, 32 * 10001).id, 0);
    live_clear(&l, &s);
    slab_finish(&s);
}
END_TEST

/* Most of these addresses are at home or near it, whichever the salt. */
static void expect_short_runs(uint64_t salt, const uint64_t *addresses, size_t count)
{
    struct slab s = {.salt = salt};
    struct live l;
    uint64_t total = 0, longest = 0;
    live_init(&l, &s);
    for (size_t i = 0; i < count; i++)
        add(&l, &s, addresses[i], 0);
    for (size_t i = 0; i < count; i++) {
        size_t home = (size_t)(live_hash(&s, addresses[i]) >> l.shift);
        uint64_t way = (seek(&l, &s, addresses[i]).at - home) & l.mask;
        total += way;
        longest = way > longest ? way : longest;
    }
    ck_assert_uint_le(total, 2 * count);
    ck_assert_uint_le(longest, 100);
    live_clear(&l, &s);
    slab_finish(&s);
}

static uint64_t salt_of(int i)
{
    return UINT64_C(0x9ABCDEF012345678) * (unsigned)(i % 8);
}

/* Addresses at equal distances, from 1 to 2^52. */
START_TEST(runs_are_short)
{
    enum { COUNT = 4000 };
    uint64_t addresses[COUNT];
    for (uint64_t i = 0; i < COUNT; i++)
        addresses[i] = i << _i / 8 * 4;
    expect_short_runs(salt_of(_i), addresses, COUNT);
}
END_TEST

/* How far the bit's product is from 0, on a circle of 2^64. */
static uint64_t reach(unsigned bit)
{
    uint64_t product = LIVE_FACTOR << bit;
    return product < 0 - product ? product : 0 - product;
}

/* The hostile choice against one product: all combinations of the bits that reach least far, and of
 * pairs of those that reach farthest, which together reach little. With one product they stood
 * thousands of slots from home, whatever the salt. */
START_TEST(runs_of_picked_bits_are_short)
{
    enum { NEAR = 7, FAR = 8, BITS = NEAR + FAR - 1 };
    unsigned bits[64];
    uint64_t steps[BITS], addresses[1 << BITS];
    for (unsigned i = 0; i < 64; i++) {
        unsigned at = i;
        for (; at && reach(bits[at - 1]) > reach(i); at--)
            bits[at] = bits[at - 1];
        bits[at] = i;
    }
    for (unsigned i = 0; i < NEAR; i++)
        steps[i] = UINT64_C(1) << bits[i];
    for (unsigned i = 1; i < FAR; i++)
        steps[NEAR + i - 1] = UINT64_C(1) << bits[63] | UINT64_C(1) << bits[63 - i];
    for (unsigned i = 0; i < 1 << BITS; i++) {
        addresses[i] = 0;
        for (unsigned bit = 0; bit < BITS; bit++)
            addresses[i] ^= i >> bit & 1 ? steps[bit] : 0;
    }
    expect_short_runs(salt_of(_i), addresses, 1 << BITS);
}
END_TEST

START_TEST(hash_can_be_undone)
{
    srand((unsigned)_i + 1);
    struct slab s = {.salt = _i ? random_address() << 31 ^ random_address() : 0};
    for (int i = 0; i < 10000; i++) {
        uint64_t address = i < 3 ? UINT64_C(0) - (unsigned)i : random_address() << (i % 40);
        uint64_t hash = live_hash(&s, address);
        struct block b = {.hash_low = (uint32_t)hash};
        EXPECT(live_address(&s, (uint32_t)(hash >> 32), &b) == address);
    }
}
END_TEST

/* The address of a block is both halves of its hash: one alone does not make two blocks one. */
START_TEST(halves_of_a_hash)
{
    struct slab s = {0};
    struct live l;
    uint64_t hash = live_hash(&s, 0x12340);
    uint32_t high = (uint32_t)(hash >> 32), low = (uint32_t)hash;
    uint64_t same_high = live_address(&s, high, &(struct block){.hash_low = low ^ 1});
    uint64_t same_low = live_address(&s, high ^ 1, &(struct block){.hash_low = low});
    live_init(&l, &s);
    add(&l, &s, 0x12340, 0);
    ck_assert_uint_eq(seek(&l, &s, 0x12340).id, 1);
    ck_assert_uint_eq(seek(&l, &s, same_high).id, 0);
    ck_assert_uint_eq(seek(&l, &s, same_low).id, 0);
    add(&l, &s, same_high, 0);
    add(&l, &s, same_low, 0);
    ck_assert_uint_eq(seek(&l, &s, 0x12340).id, 1);
    ck_assert_uint_eq(seek(&l, &s, same_high).id, 2);
    ck_assert_uint_eq(seek(&l, &s, same_low).id, 3);
    live_clear(&l, &s);
    slab_finish(&s);
}
END_TEST

START_TEST(list_in_order_of_numbers)
{
    srand((unsigned)_i + 1);
    struct slab s = {.salt = (unsigned)_i};
    struct live l;
    live_init(&l, &s);
    uint32_t count = (uint32_t)_i * (uint32_t)_i * 7, numbers[7 * 8 * 8 + 1];
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = 2 * i + 5;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = (uint32_t)rand() % i, swap = numbers[i - 1];
        numbers[i - 1] = numbers[j];
        numbers[j] = swap;
    }
    for (uint32_t i = 0; i < count; i++)
        add(&l, &s, random_address() << 10 | i, numbers[i]);
    live_list(&l, &s);
    size_t at = 0;
    uint32_t n = 0;
    const struct live_slot *slot;
    while ((slot = live_walk(&l, &at))) {
        const struct block *b = slab_block(&s, slot->id);
        ck_assert_uint_eq(slot->tag, 2 * n + 5);
        ck_assert_uint_eq(b->size, ~live_address(&s, b->number, b));
        ck_assert_uint_eq(at, ++n);
    }
    ck_assert_uint_eq(n, count);
    live_clear(&l, &s);
    ck_assert_ptr_eq(l.slots, s.no_slots);
    ck_assert_uint_eq(l.count, 0);
    slab_finish(&s);
}
END_TEST

/* Ids are dense, and blocks keep what is in them while the slab grows. */
START_TEST(slab_ids)
{
    enum { BLOCKS = 10000 };
    struct slab s = {0};
    for (uint32_t i = 1; i <= BLOCKS; i++) {
        ck_assert_uint_eq(slab_take(&s), i);
        *slab_block(&s, i) = (struct block){.size = i};
    }
    for (uint32_t i = 1; i <= BLOCKS; i++)
        ck_assert_uint_eq(slab_block(&s, i)->size, i);
    for (uint32_t i = 1; i <= BLOCKS; i += 3)
        slab_give(&s, i);
    static bool taken[BLOCKS + 1];
    for (uint32_t i = 1; i <= BLOCKS; i += 3) {
        uint32_t id = slab_take(&s);
        ck_assert_uint_eq(id % 3, 1);
        ck_assert(id <= BLOCKS && !taken[id]);
        taken[id] = true;
    }
    ck_assert_uint_eq(slab_take(&s), BLOCKS + 1); /* only then a new one */
    slab_finish(&s);
    ck_assert_uint_eq(s.most_taken, 0);
}
END_TEST

START_TEST(slab_limit)
{
    struct slab s = {.most_taken = (uint32_t)LIMIT_LIVE_BLOCKS};
    ck_assert_uint_eq(slab_take(&s), 0);
    ck_assert(slab_is_full(&s));
    ck_assert_ptr_null(s.blocks);

    const uint32_t limit = 3000; /* more than the first room, and no multiple of any */
    s = (struct slab){.limit = limit};
    for (uint32_t i = 1; i <= limit; i++) {
        ck_assert(!slab_is_full(&s));
        ck_assert_uint_eq(slab_take(&s), i);
    }
    ck_assert(slab_is_full(&s));
    ck_assert_uint_eq(slab_take(&s), 0);
    slab_give(&s, 7);
    ck_assert(!slab_is_full(&s));
    ck_assert_uint_eq(slab_take_ready(&s), 7);
    ck_assert_uint_eq(slab_take(&s), 0);
    slab_finish(&s);
}
END_TEST

START_TEST(empty_table)
{
    struct slab s = {0};
    struct live l;
    live_init(&l, &s);
    for (uint64_t i = 0; i < 100; i++) /* from every home */
        ck_assert_uint_eq(seek(&l, &s, 0x1000 + i).id, 0);
    ck_assert(live_is_full(&l));
    live_list(&l, &s);
    size_t at = 0;
    ck_assert_ptr_null(live_walk(&l, &at));
    live_clear(&l, &s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("live");
    TCase *tests = tcase_create("table and slab");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, against_a_naive_table, 0, 3);
    tcase_add_loop_test(tests, backward_shift, 0, 16);
    tcase_add_test(tests, grows_when_half_full);
    tcase_add_loop_test(tests, runs_are_short, 0, 8 * 14);
    tcase_add_loop_test(tests, runs_of_picked_bits_are_short, 0, 8);
    tcase_add_loop_test(tests, hash_can_be_undone, 0, 3);
    tcase_add_test(tests, halves_of_a_hash);
    tcase_add_loop_test(tests, list_in_order_of_numbers, 0, 9);
    tcase_add_test(tests, slab_ids);
    tcase_add_test(tests, slab_limit);
    tcase_add_test(tests, empty_table);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
