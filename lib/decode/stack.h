/* Stack records: whole stacks, references by key, definitions of keys. decode/FORMAT.md C.6. */
#ifndef ETLHEAP_DECODE_STACK_H
#define ETLHEAP_DECODE_STACK_H

#include "base/limits.h"
#include "container/etl_record.h"

/* Addresses as they lie in the record, innermost first. */
struct raw_frames {
    const uint8_t *bytes;
    uint32_t count;       /* at most LIMIT_STACK_FRAMES; the rest of a longer stack is left out */
    uint8_t pointer_size; /* bytes per address */
};

static inline uint64_t raw_frame(const struct raw_frames *f, uint32_t i)
{
    return f->pointer_size == 8 ? load_u64(f->bytes + 8 * (size_t)i)
                                : load_u32(f->bytes + 4 * (size_t)i);
}

/* Whether an address is the kernel's, in a process or system of that pointer size. */
static inline bool is_kernel_address(uint64_t address, unsigned pointer_size)
{
    return pointer_size == 8 ? address >= UINT64_C(0xFFFF800000000000)
                             : address >= UINT64_C(0x80000000);
}

static inline struct raw_frames raw_frames_of(const uint8_t *bytes, size_t length,
                                              unsigned pointer_size)
{
    size_t count = pointer_size == 8 ? length / 8 : length / 4;
    return (struct raw_frames){
        .bytes = bytes,
        .count = (uint32_t)(count < LIMIT_STACK_FRAMES ? count : LIMIT_STACK_FRAMES),
        .pointer_size = (uint8_t)pointer_size,
    };
}

struct stack_record {
    int64_t event_raw; /* raw time of the event it belongs to */
    uint32_t pid, tid;
    struct raw_frames frames; /* without a key */
    uint64_t key;             /* references */
    bool kernel;              /* references: the kernel part */
};

#define STACK_HEADER_BYTES 16 /* of the payload: event time, process, thread */

/* Whether a record, by its REC_WORD(), is a whole stack in a plain PERFINFO64 record, which nearly
 * all are: stack_in_place() then tells of it without taking the record apart. */
static inline bool stack_is_common(uint64_t word)
{
    const uint64_t expected = UINT64_C(0x1820) << 32 | REC_MARK_TRACE << 8 | REC_PERFINFO64;
    const uint64_t least = (uint64_t)(PERFINFO_BYTES + STACK_HEADER_BYTES) << 16;
    return ((word ^ expected) & ~(UINT64_C(0xFFFF) << 16)) == 0 &&
           (uint32_t)word >= (uint32_t)least;
}

/* The same by a record's first 8 bytes, with the look for more header bytes that a word leaves to
 * rec_hooked_time(). */
static inline bool stack_is_plain(uint64_t first)
{
    const uint64_t expected = UINT64_C(0x1820) << 48 | (uint64_t)REC_MARK_TRACE << 24 |
                              (uint64_t)REC_PERFINFO64 << 16;
    const uint64_t matters = ~(UINT64_C(0xFFFF) << 32 | 0xFFFF) | PERFINFO_HAS_PEBS |
                             PERFINFO_COUNTERS_MASK;
    return (first & matters) == expected &&
           rec_hooked_size(first) >= PERFINFO_BYTES + STACK_HEADER_BYTES;
}

static inline uint32_t stack_pid_in_place(const uint8_t *record)
{
    return load_u32(record + PERFINFO_BYTES + 8);
}

/* Such a record's stack. */
static inline void stack_in_place(uint64_t word, const uint8_t *record,
                                  struct stack_record *ret_stack)
{
    const uint8_t *at = record + PERFINFO_BYTES;
    size_t length = (size_t)(word >> 16 & 0xFFFF) - PERFINFO_BYTES - STACK_HEADER_BYTES;
    ret_stack->event_raw = load_i64(at);
    ret_stack->pid = load_u32(at + 8);
    ret_stack->tid = load_u32(at + 12);
    ret_stack->frames = raw_frames_of(at + STACK_HEADER_BYTES, length, 8);
}

/* ROUTE_STACK and ROUTE_STACK_KEY; `type` is the record's type. False: too short. */
bool stack_decode(const struct record *r, unsigned type, struct stack_record *ret_stack);

/* ROUTE_STACK_DEFINITION. False: too short, or without frames. */
bool stack_definition_decode(const struct record *r, uint64_t *ret_key,
                             struct raw_frames *ret_frames);

/* The stack among the extended items of an EVENT_HEADER record. False: there is none. */
bool stack_item_decode(const struct record *r, struct raw_frames *ret_frames);

#endif
