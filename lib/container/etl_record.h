/* One record as it lies in a buffer: header fields taken apart, payload pointed at, nothing copied.
 * FORMAT.md 4. */
#ifndef ETLHEAP_CONTAINER_ETL_RECORD_H
#define ETLHEAP_CONTAINER_ETL_RECORD_H

#include "base/bytes.h"
#include "container/etl_layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REC_NO_ID UINT32_MAX

struct record {
    const uint8_t *payload;
    const uint8_t *guid; /* class or provider, 16 bytes; NULL for records with a hook id */
    const uint8_t *bytes;
    int64_t raw;        /* raw time; with has_time */
    uint32_t size;      /* of the whole record, unpadded */
    uint32_t payload_size;
    uint32_t process_id; /* REC_NO_ID where the header names none */
    uint32_t thread_id;
    uint16_t hook;  /* group << 8 | type; with a GUID the opcode */
    uint16_t event; /* EVENT_HEADER: Id */
    uint8_t kind;   /* REC_SYSTEM32, ...; 0 for WPP and other headers without a kind */
    uint8_t version;
    uint8_t pointer_size; /* 4 or 8 by the record's own header; 0 where it does not say */
    bool has_time;
    bool has_hook; /* hook id in the header */
};

enum rec_result {
    REC_OK,
    REC_END,     /* a zero or 0xFFFFFFFF dword, or fewer than 8 bytes: no more records */
    REC_DAMAGED, /* no record header, or one that does not fit */
};

/* Kind, mark, size and hook id of a SYSTEM record with `bytes` of payload in one number: what its
 * first 8 bytes are above the version. One comparison tells an expected record, size and all. */
#define REC_WORD(kind, bytes, hook)                                                                \
    ((uint64_t)(hook) << 32 | (uint64_t)(SYSTEM_BYTES + (bytes)) << 16 | REC_MARK_TRACE << 8 |     \
     (kind))

/* What the first 8 bytes of a record say if it has a hook id. */
static inline uint32_t rec_hooked_size(uint64_t first)
{
    return first >> 32 & 0xFFFF;
}

/* REC_SYSTEM32 is 1, REC_SYSTEM64 is 2: one comparison for both. */
static inline bool rec_is_system(uint64_t first)
{
    return ((uint32_t)first >> 16) - (REC_MARK_TRACE << 8 | REC_SYSTEM32) <= 1u;
}

/* SYSTEM records and PERFINFO records without extra header bytes: where their time lies, which is
 * half their header's length. 0 for all others. */
static inline uint32_t rec_hooked_time(uint64_t first)
{
    if (rec_is_system(first))
        return SYSTEM_TIME;
    uint32_t kind = ((uint32_t)first >> 16) - (REC_MARK_TRACE << 8 | REC_PERFINFO32);
    bool plain = !(first & (PERFINFO_HAS_PEBS | PERFINFO_COUNTERS_MASK));
    return kind <= 1u && plain ? PERFINFO_TIME : 0;
}

/* rec_parse() for every kind of record. */
enum rec_result rec_parse_any(const uint8_t *at, size_t left, struct record *record);

/* Takes apart the record at `at` with `left` bytes up to the buffer's valid end. `record` is set
 * only on REC_OK; its size is then at most `left`.
 * SYSTEM and plain PERFINFO records, which heap events and stacks are, are taken apart in place:
 * half the instructions. */
static inline enum rec_result rec_parse(const uint8_t *at, size_t left, struct record *record)
{
    uint32_t time = left < SYSTEM_BYTES ? 0 : rec_hooked_time(load_u64(at));
    if (!time)
        return rec_parse_any(at, left, record);
    uint32_t size = load_u16(at + HOOK_SIZE), header = 2 * time;
    if (size < header || size > left)
        return REC_DAMAGED;
    bool system = time == SYSTEM_TIME;
    record->payload = at + header;
    record->guid = NULL;
    record->bytes = at;
    record->raw = load_i64(at + time);
    record->size = size;
    record->payload_size = size - header;
    record->process_id = system ? load_u32(at + SYSTEM_PROCESS) : REC_NO_ID;
    record->thread_id = system ? load_u32(at + SYSTEM_THREAD) : REC_NO_ID;
    record->hook = load_u16(at + HOOK_ID);
    record->event = 0;
    record->kind = at[HOOK_KIND];
    record->version = at[HOOK_VERSION];
    record->pointer_size = (uint8_t)(4 * (at[HOOK_KIND] - (system ? 0 : REC_PERFINFO32 - 1)));
    record->has_time = true;
    record->has_hook = true;
    return REC_OK;
}

/* For EVENT_HEADER records with extended items [4.5]: the first item of type `first` or `second`,
 * its data in *ret_data; returns the data's length, 0 when there is none. */
size_t rec_extended_item(const struct record *record, unsigned first, unsigned second,
                         unsigned *ret_type, const uint8_t **ret_data);

#endif
