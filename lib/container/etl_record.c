#include "container/etl_record.h"

enum shape {
    SHAPE_NONE, /* unknown kind: size in the low half of the first dword, nothing else known */
    SHAPE_SYSTEM,
    SHAPE_PERFINFO,
    SHAPE_FULL,
    SHAPE_EVENT,
};

struct kind_info {
    uint8_t shape;
    uint8_t header_bytes;
    uint8_t pointer_size;
};

static const struct kind_info kinds[256] = {
    [REC_SYSTEM32] = {SHAPE_SYSTEM, SYSTEM_BYTES, 4},
    [REC_SYSTEM64] = {SHAPE_SYSTEM, SYSTEM_BYTES, 8},
    [REC_COMPACT32] = {SHAPE_SYSTEM, COMPACT_BYTES, 4},
    [REC_COMPACT64] = {SHAPE_SYSTEM, COMPACT_BYTES, 8},
    [REC_PERFINFO32] = {SHAPE_PERFINFO, PERFINFO_BYTES, 4},
    [REC_PERFINFO64] = {SHAPE_PERFINFO, PERFINFO_BYTES, 8},
    [REC_FULL32] = {SHAPE_FULL, FULL_BYTES, 4},
    [REC_FULL64] = {SHAPE_FULL, FULL_BYTES, 8},
    [REC_INSTANCE32] = {SHAPE_FULL, INSTANCE_BYTES, 4},
    [REC_INSTANCE64] = {SHAPE_FULL, INSTANCE_BYTES, 8},
    [REC_EVENT32] = {SHAPE_EVENT, EVENT_BYTES, 4},
    [REC_EVENT64] = {SHAPE_EVENT, EVENT_BYTES, 8},
};

/* Sets the payload behind `header` bytes; false when the record is too short for its header. */
static bool set_payload(struct record *r, uint32_t header)
{
    if (r->size < header)
        return false;
    r->payload = r->bytes + header;
    r->payload_size = r->size - header;
    return true;
}

static bool parse_system(struct record *r, const struct kind_info *k)
{
    const uint8_t *at = r->bytes;
    if (!set_payload(r, k->header_bytes))
        return false;
    r->hook = load_u16(at + HOOK_ID);
    r->version = at[HOOK_VERSION];
    r->has_hook = true;
    r->thread_id = load_u32(at + SYSTEM_THREAD);
    r->process_id = load_u32(at + SYSTEM_PROCESS);
    r->raw = load_i64(at + SYSTEM_TIME);
    r->has_time = true;
    return true;
}

static bool parse_perfinfo(struct record *r)
{
    const uint8_t *at = r->bytes;
    uint32_t version = load_u16(at + HOOK_VERSION);
    uint32_t counters = (version & PERFINFO_COUNTERS_MASK) >> PERFINFO_COUNTERS_SHIFT;
    uint32_t header = PERFINFO_BYTES + 8 * counters + (version & PERFINFO_HAS_PEBS ? 8 : 0);
    if (!set_payload(r, header))
        return false;
    r->hook = load_u16(at + HOOK_ID);
    r->version = (uint8_t)version;
    r->has_hook = true;
    r->raw = load_i64(at + PERFINFO_TIME);
    r->has_time = true;
    return true;
}

static bool parse_full(struct record *r, const struct kind_info *k)
{
    const uint8_t *at = r->bytes;
    if (!set_payload(r, k->header_bytes))
        return false;
    r->guid = at + GUID_GUID;
    r->hook = at[FULL_OPCODE];
    r->version = at[FULL_VERSION];
    r->thread_id = load_u32(at + GUID_THREAD);
    r->process_id = load_u32(at + GUID_PROCESS);
    r->raw = load_i64(at + GUID_TIME);
    r->has_time = true;
    return true;
}

/* User data begins behind the last extended item; items that do not fit end the list. */
static uint32_t extended_bytes(const struct record *r)
{
    uint32_t at = EVENT_BYTES;
    if (!(load_u16(r->bytes + EVENT_FLAGS) & EVENT_FLAG_EXTENDED))
        return at;
    for (;;) {
        if (r->size - at < ITEM_HEADER_BYTES)
            return at;
        uint32_t size = load_u16(r->bytes + at + ITEM_SIZE);
        bool another = load_u16(r->bytes + at + ITEM_LINKAGE) & 1;
        if (size < ITEM_HEADER_BYTES || size > r->size - at)
            return at;
        at += size;
        if (!another)
            return at;
    }
}

static bool parse_event(struct record *r)
{
    const uint8_t *at = r->bytes;
    if (r->size < EVENT_BYTES || !set_payload(r, extended_bytes(r)))
        return false;
    r->guid = at + GUID_GUID;
    r->event = load_u16(at + EVENT_ID);
    r->hook = at[EVENT_OPCODE];
    r->version = at[EVENT_VERSION];
    r->thread_id = load_u32(at + GUID_THREAD);
    r->process_id = load_u32(at + GUID_PROCESS);
    r->raw = load_i64(at + GUID_TIME);
    r->has_time = true;
    return true;
}

static bool parse_trace(struct record *r, const struct kind_info *k)
{
    switch (k->shape) {
    case SHAPE_SYSTEM:
        return parse_system(r, k);
    case SHAPE_PERFINFO:
        return parse_perfinfo(r);
    case SHAPE_FULL:
        return parse_full(r, k);
    case SHAPE_EVENT:
        return parse_event(r);
    default:
        return set_payload(r, 8);
    }
}

/* A WPP message's time follows a sequence number and a component id or GUID, both optional [4.6]. */
static void parse_wpp(struct record *r)
{
    unsigned flags = load_u16(r->bytes + WPP_FLAGS);
    uint32_t at = WPP_BYTES;
    if (flags & WPP_HAS_SEQUENCE)
        at += 4;
    if (flags & WPP_HAS_COMPONENT)
        at += 4;
    else if (flags & WPP_HAS_GUID)
        at += 16;
    if ((flags & (WPP_HAS_TIME | WPP_HAS_PRECISE_TIME)) && at + 8 <= r->size) {
        r->raw = load_i64(r->bytes + at);
        r->has_time = true;
    }
}

static bool parse_other(struct record *r, unsigned mark)
{
    if (!set_payload(r, 8))
        return false;
    if (mark == REC_MARK_WPP) {
        parse_wpp(r);
    } else if (r->size >= 16) {
        r->raw = load_i64(r->bytes + 8);
        r->has_time = true;
    }
    return true;
}

enum rec_result rec_parse_any(const uint8_t *at, size_t left, struct record *record)
{
    if (left < 8)
        return REC_END;
    uint32_t first = load_u32(at);
    if (first == 0 || first == UINT32_MAX)
        return REC_END;
    unsigned mark = first >> 24;
    bool trace = (mark & 0xC0) == REC_MARK_TRACE;
    if (!trace && mark != REC_MARK_WPP && mark != REC_MARK_ULONG_TIME)
        return REC_DAMAGED;

    const struct kind_info *k = &kinds[trace ? first >> 16 & 0xFF : 0];
    bool size_behind = k->shape == SHAPE_SYSTEM || k->shape == SHAPE_PERFINFO;
    uint32_t size = size_behind ? load_u16(at + HOOK_SIZE) : first & 0xFFFF;
    if (size < 8 || size > left)
        return REC_DAMAGED;
    *record = (struct record){
        .bytes = at,
        .size = size,
        .process_id = REC_NO_ID,
        .thread_id = REC_NO_ID,
        .kind = trace ? (uint8_t)(first >> 16) : 0,
        .pointer_size = k->pointer_size,
    };
    bool fits = trace ? parse_trace(record, k) : parse_other(record, mark);
    return fits ? REC_OK : REC_DAMAGED;
}

size_t rec_extended_item(const struct record *record, unsigned first, unsigned second,
                         unsigned *ret_type, const uint8_t **ret_data)
{
    if (record->kind != REC_EVENT32 && record->kind != REC_EVENT64)
        return 0;
    const uint8_t *at = record->bytes + EVENT_BYTES;
    while (at < record->payload) {
        unsigned type = load_u16(at + ITEM_TYPE);
        size_t size = load_u16(at + ITEM_SIZE);
        size_t data = load_u16(at + ITEM_DATA_SIZE);
        if ((type == first || type == second) && data <= size - ITEM_HEADER_BYTES) {
            *ret_type = type;
            *ret_data = at + ITEM_HEADER_BYTES;
            return data;
        }
        at += size;
    }
    return 0;
}
