#include "case_record.h"

#include "base/bytes.h"
#include "case_layouts.h"
#include "container/etl_layout.h"

#include <string.h>

enum { HEAP_GROUP = 0x10, PROCESS_GROUP = 0x03, STACK_GROUP = 0x18 };

/* One record in the making. */
struct draft {
    struct case_file *file;
    struct case_line *line;
    const struct case_layout *layout;
    uint16_t hook;
    enum header_form form;
    unsigned pointer_size;
    struct bytes record;
};

/* One item of a layout: "name:type=default". */
struct layout_field {
    char name[32];
    char type;
    char fallback[32];
};

static const char *next_field(const char *at, struct layout_field *ret_field)
{
    size_t name = strcspn(at, ":");
    size_t whole = strcspn(at, " ");
    const char *equals = memchr(at, '=', whole);

    memcpy(ret_field->name, at, name);
    ret_field->name[name] = '\0';
    ret_field->type = at[name + 1];
    ret_field->fallback[0] = '\0';
    if (equals) {
        size_t length = (size_t)(at + whole - equals - 1);
        memcpy(ret_field->fallback, equals + 1, length);
        ret_field->fallback[length] = '\0';
    }
    return at + whole + (at[whole] == ' ');
}

static uint64_t number_of(struct case_line *l, const struct layout_field *field, unsigned width)
{
    uint64_t fallback = 0;
    if (field->fallback[0] == '@')
        fallback = line_number(l, field->fallback + 1, width, 0);
    else if (field->fallback[0])
        fallback = text_number(l, field->name, field->fallback, width);
    return line_number(l, field->name, width, fallback);
}

/* TOKEN_USER and S-1-5-21-1-2-3-1001, nothing, or the bytes given. */
static void put_sid(struct draft *d, const char *key)
{
    static const uint8_t sample[] = {1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1,    0,
                                     0, 0, 2, 0, 0, 0, 3, 0, 0,  0, 0xE9, 3, 0, 0};
    const char *text = line_text(d->line, key, "none");

    if (strcmp(text, "none") == 0) {
        bytes_number(&d->record, 4, 0);
    } else if (strcmp(text, "sample") == 0) {
        bytes_number(&d->record, d->pointer_size, 0xE0001234);
        bytes_number(&d->record, d->pointer_size, 0);
        bytes_append(&d->record, sample, sizeof sample);
    } else {
        text_hex(d->line, key, text, &d->record);
    }
}

static void put_text(struct draft *d, const struct layout_field *field)
{
    const char *text = line_value(d->line, field->name);
    if (!text && field->type == 'w')
        return;
    if (field->type == 'A')
        bytes_ansi(&d->record, text ? text : "");
    else
        bytes_utf16(&d->record, text ? text : "");
}

static void put_field(struct draft *d, const struct layout_field *field)
{
    unsigned width = field->type == 'P' ? d->pointer_size : (unsigned)(field->type - '0');
    switch (field->type) {
    case 'A':
    case 'W':
    case 'w':
        put_text(d, field);
        break;
    case 'S':
        put_sid(d, field->name);
        break;
    case 'G':
        line_guid(d->line, field->name, "00000000000000000000000000000000", &d->record);
        break;
    case 'L':
        line_list(d->line, field->name, d->pointer_size, &d->record);
        break;
    case 'H':
        line_hex(d->line, field->name, &d->record);
        break;
    case 'T':
        bytes_number(&d->record, 8,
                     (uint64_t)line_time(d->line, field->name, &d->file->clock, d->file->anchor));
        break;
    default:
        bytes_number(&d->record, width, number_of(d->line, field, width));
        break;
    }
}

static void put_payload(struct draft *d)
{
    struct layout_field field;
    struct case_line *l = d->line;
    size_t start = d->record.length;

    for (const char *at = d->layout->fields; *at;) {
        at = next_field(at, &field);
        put_field(d, &field);
    }
    const char *override = line_own_value(l, "payload");
    if (override) {
        d->record.length = start;
        text_hex(l, "payload", override, &d->record);
    }
    line_hex(l, "payload_add", &d->record);
    bytes_fill(&d->record, 0, (size_t)line_number(l, "payload_pad", 2, 0));
    size_t cut = (size_t)line_number(l, "payload_cut", 2, 0);
    if (cut > d->record.length - start)
        line_fail(l, "payload_cut=%zu: the payload has %zu bytes", cut, d->record.length - start);
    else
        d->record.length -= cut;
}

/* The record's own time; later lines refer to it. */
static uint64_t take_time(struct draft *d)
{
    struct case_file *f = d->file;
    f->clock.last = line_time(d->line, "t", &f->clock, f->clock.last);
    if (d->hook >> 8 != STACK_GROUP || d->layout->guid)
        f->anchor = f->clock.last;
    return (uint64_t)f->clock.last;
}

static void put_owner(struct draft *d, uint8_t *thread, uint8_t *process)
{
    bool creator = d->hook >> 8 == PROCESS_GROUP && !d->layout->guid;
    uint64_t pid = line_number(d->line, "pid", 4, 0);
    uint64_t by_pid = creator ? line_number(d->line, "parent", 4, 0) : pid;
    uint64_t tid = line_number(d->line, "tid", 4, 0);
    store_number(process, 4, line_number(d->line, "by_pid", 4, by_pid));
    store_number(thread, 4, line_number(d->line, "by_tid", 4, tid));
}

/* SYSTEM, COMPACT, PERFINFO. */
static void put_hook_header(struct draft *d)
{
    static const uint8_t sizes[] = {SYSTEM_BYTES, COMPACT_BYTES, PERFINFO_BYTES};
    uint64_t time = take_time(d);
    uint8_t *at = bytes_grow(&d->record, sizes[d->form]);

    if (!at)
        return;
    store_number(at + HOOK_VERSION, 2, line_number(d->line, "version", 2, d->layout->version));
    store_u16(at + HOOK_ID, d->hook);
    if (d->form == FORM_PERFINFO) {
        store_u64(at + PERFINFO_TIME, time);
        return;
    }
    put_owner(d, at + SYSTEM_THREAD, at + SYSTEM_PROCESS);
    store_u64(at + SYSTEM_TIME, time);
    if (d->form == FORM_SYSTEM) {
        store_number(at + 0x18, 4, line_number(d->line, "kernel_time", 4, 0));
        store_number(at + 0x1C, 4, line_number(d->line, "user_time", 4, 0));
    }
}

static void put_guid(struct draft *d, uint8_t *at)
{
    struct bytes guid = {0};
    /* dbgid lines have a guid of their own in the payload. */
    const char *key = d->layout->guid ? "class" : "guid";
    const char *fallback = d->layout->guid ? d->layout->guid : case_group_guid(d->hook);

    if (d->layout->hook == 0 && !d->layout->guid && strcmp(d->layout->word, "hook") != 0)
        fallback = NULL;
    if (!fallback && !line_own_value(d->line, key))
        line_fail(d->line, "%s wants %s=", d->layout->word, key);
    line_guid(d->line, key, fallback ? fallback : "", &guid);
    if (guid.at)
        memcpy(at, guid.at, 16);
    bytes_finish(&guid);
}

/* FULL, INSTANCE. */
static void put_full_header(struct draft *d)
{
    uint64_t time = take_time(d);
    size_t size = d->form == FORM_FULL ? FULL_BYTES : INSTANCE_BYTES;
    uint8_t *at = bytes_grow(&d->record, size);
    struct case_line *l = d->line;

    if (!at)
        return;
    store_number(at + FULL_OPCODE, 1, line_number(l, "opcode", 1, d->hook & 0xFF));
    store_number(at + 0x05, 1, line_number(l, "level", 1, 0));
    store_number(at + FULL_VERSION, 2, line_number(l, "version", 2, d->layout->version));
    put_owner(d, at + GUID_THREAD, at + GUID_PROCESS);
    store_u64(at + GUID_TIME, time);
    put_guid(d, at + GUID_GUID);
    store_number(at + 0x28, 8, line_number(l, "processor_time", 8, 0));
    if (d->form == FORM_INSTANCE) {
        store_number(at + 0x30, 4, line_number(l, "instance", 4, 0));
        store_number(at + 0x34, 4, line_number(l, "parent_instance", 4, 0));
    }
}

/* "TYPE:hex" as an extended item; bit 0 of Linkage says that another one follows. */
static void put_item(struct draft *d, const char *text, bool more)
{
    struct case_line *l = d->line;
    char type[16] = "";
    size_t length = strcspn(text, ":");
    size_t start = d->record.length;

    if (text[length] != ':' || length >= sizeof type) {
        line_fail(l, "item=%.40s: TYPE:HEX is wanted", text);
        return;
    }
    memcpy(type, text, length);
    bytes_grow(&d->record, ITEM_HEADER_BYTES);
    text_hex(l, "item", text + length + 1, &d->record);
    size_t data = d->record.length - start - ITEM_HEADER_BYTES;
    bytes_fill(&d->record, 0, REC_STEP(data) - data);
    if (d->record.failed || data > 60000) {
        line_fail(l, "item: too long");
        return;
    }
    uint8_t *at = d->record.at + start;
    store_u16(at + ITEM_SIZE, (uint16_t)(ITEM_HEADER_BYTES + REC_STEP(data)));
    store_u16(at + ITEM_TYPE, (uint16_t)text_number(l, "item", type, 2));
    store_u16(at + ITEM_LINKAGE, more);
    store_u16(at + ITEM_DATA_SIZE, (uint16_t)data);
}

/* stack32=, stack64= as hexadecimal of an item: match id, then addresses. */
static void put_stack_item(struct draft *d, const char *key, unsigned type, unsigned width,
                           bool more)
{
    size_t start = d->record.length;
    bytes_grow(&d->record, ITEM_HEADER_BYTES);
    bytes_number(&d->record, 8, line_number(d->line, "match", 8, 0));
    line_list(d->line, key, width, &d->record);
    size_t data = d->record.length - start - ITEM_HEADER_BYTES;
    bytes_fill(&d->record, 0, REC_STEP(data) - data);
    if (d->record.failed)
        return;
    uint8_t *at = d->record.at + start;
    store_number(at + ITEM_SIZE, 2, ITEM_HEADER_BYTES + REC_STEP(data));
    store_u16(at + ITEM_TYPE, (uint16_t)type);
    store_u16(at + ITEM_LINKAGE, more);
    store_number(at + ITEM_DATA_SIZE, 2, data);
}

/* All extended items: stacks first, then item= in their order. */
static bool put_items(struct draft *d)
{
    struct case_line *l = d->line;
    bool stack32 = line_own_value(l, "stack32"), stack64 = line_own_value(l, "stack64");
    size_t index = 0;
    const char *item = line_next_value(l, "item", &index);
    bool any = stack32 || stack64 || item;

    if (stack32)
        put_stack_item(d, "stack32", ITEM_STACK32, 4, stack64 || item);
    if (stack64)
        put_stack_item(d, "stack64", ITEM_STACK64, 8, item != NULL);
    while (item) {
        const char *next = line_next_value(l, "item", &index);
        put_item(d, item, next != NULL);
        item = next;
    }
    return any;
}

static void put_event_header(struct draft *d)
{
    struct case_line *l = d->line;
    uint64_t time = take_time(d);
    bool generic = strcmp(d->layout->word, "hook") == 0;
    uint64_t type = d->hook & 0xFF;
    uint8_t *at = bytes_grow(&d->record, EVENT_BYTES);

    if (!at)
        return;
    store_number(at + 0x06, 2, line_number(l, "property", 2, 0));
    put_owner(d, at + GUID_THREAD, at + GUID_PROCESS);
    store_u64(at + GUID_TIME, time);
    put_guid(d, at + GUID_GUID);
    store_number(at + EVENT_ID, 2, generic ? type : line_number(l, "id", 2, type));
    store_number(at + EVENT_VERSION, 1, line_number(l, "version", 1, d->layout->version));
    store_number(at + 0x2B, 1, line_number(l, "channel", 1, 0));
    store_number(at + 0x2C, 1, line_number(l, "level", 1, 0));
    store_number(at + EVENT_OPCODE, 1, line_number(l, "opcode", 1, type));
    store_number(at + 0x2E, 2, line_number(l, "task", 2, 0));
    store_number(at + 0x30, 8, line_number(l, "keyword", 8, 0));
    store_number(at + 0x38, 8, line_number(l, "processor_time", 8, 0));
    bool items = put_items(d);
    uint64_t flags = line_number(l, "event_flags", 2, items ? EVENT_FLAG_EXTENDED : 0);
    if (!d->record.failed)
        store_number(d->record.at + EVENT_FLAGS, 2, flags);
}

static void put_header(struct draft *d)
{
    switch (d->form) {
    case FORM_SYSTEM:
    case FORM_COMPACT:
    case FORM_PERFINFO:
        put_hook_header(d);
        break;
    case FORM_FULL:
    case FORM_INSTANCE:
        put_full_header(d);
        break;
    case FORM_EVENT:
        put_event_header(d);
        break;
    }
    line_hex(d->line, "ext", &d->record);
}

/* Size, kind and mark: where every header has them, and the overrides. */
static void seal(struct draft *d)
{
    static const uint8_t kinds[][2] = {
        {REC_SYSTEM32, REC_SYSTEM64},     {REC_COMPACT32, REC_COMPACT64},
        {REC_PERFINFO32, REC_PERFINFO64}, {REC_FULL32, REC_FULL64},
        {REC_INSTANCE32, REC_INSTANCE64}, {REC_EVENT32, REC_EVENT64},
    };
    struct case_line *l = d->line;
    size_t length = d->record.length;
    bool hooked = d->form <= FORM_PERFINFO;

    if (d->record.failed || l->failed)
        return;
    if (length > UINT16_MAX && !line_own_value(l, "recsize"))
        line_fail(l, "the record has %zu bytes, more than its size field holds", length);
    uint64_t size = line_number(l, "recsize", 2, length & UINT16_MAX);
    uint64_t kind = kinds[d->form][d->pointer_size == 8];
    store_number(d->record.at + (hooked ? HOOK_SIZE : GUID_SIZE), 2, size);
    store_number(d->record.at + HOOK_KIND, 1, line_number(l, "kind_number", 1, kind));
    store_number(d->record.at + HOOK_MARK, 1, line_number(l, "mark", 1, REC_MARK_TRACE));
}

static void place(struct case_file *f, struct case_line *l, struct bytes *record)
{
    unsigned cpu = (unsigned)line_number(l, "cpu", 2, 0);
    if (record->failed)
        line_fail(l, "out of memory");
    if (!l->failed)
        case_place_record(f, l, cpu, record->at, record->length);
    bytes_finish(record);
}

/* Header form and width. `set` lines give them to heap events only: the kernel writes its records
 * in its own form whatever the process is. */
static void choose_form(struct draft *d)
{
    static const char *const forms[] = {"system",   "compact", "perfinfo", "full",
                                        "instance", "event",   NULL};
    static const char *const widths[] = {"32", "64", NULL};
    static const struct case_set none;
    struct case_line *l = d->line;
    const struct case_set *set = l->set;

    if (d->hook >> 8 != HEAP_GROUP)
        l->set = &none;
    d->form = (enum header_form)line_choice(l, "kind", forms, d->layout->form);
    bool wide = line_choice(l, "bits", widths, d->file->session.pointer_size == 8);
    d->pointer_size = wide ? 8 : 4;
    l->set = set;
    if (d->form <= FORM_PERFINFO && d->layout->form > FORM_PERFINFO)
        line_fail(l, "%s has no hook: kind= is full, instance or event", d->layout->word);
}

void case_record(struct case_file *f, struct case_line *l)
{
    struct draft d = {.file = f, .line = l};
    int version = line_own_value(l, "version") ? (int)(line_required(l, "version", 2) & 0xFF) : -1;

    if (line_own_value(l, "layout"))
        version = (int)line_required(l, "layout", 1);
    d.layout = case_find_layout(l->word, l->second, version, &d.hook);
    if (!d.layout) {
        line_fail(l, "'%.40s%s%.40s' is no directive and no record", l->word,
                  *l->second ? " " : "", l->second);
        return;
    }
    if (strcmp(d.layout->word, "hook") == 0)
        d.hook = (uint16_t)line_required(l, "id", 2);
    else if (d.layout->form <= FORM_PERFINFO)
        d.hook = (uint16_t)line_number(l, "hook", 2, d.hook);
    choose_form(&d);
    put_header(&d);
    put_payload(&d);
    seal(&d);
    place(f, l, &d.record);
}

void case_wpp(struct case_file *f, struct case_line *l)
{
    uint64_t flags = line_number(l, "flags", 2, 0xAA);
    struct bytes record = {0};

    f->clock.last = line_time(l, "t", &f->clock, f->clock.last);
    bytes_number(&record, 4, (uint64_t)REC_MARK_WPP << 24);
    bytes_number(&record, 2, line_number(l, "number", 2, 10));
    bytes_number(&record, 2, flags);
    if (flags & WPP_HAS_SEQUENCE)
        bytes_number(&record, 4, line_number(l, "sequence", 4, 1));
    if (flags & WPP_HAS_COMPONENT)
        bytes_number(&record, 4, line_number(l, "component", 4, 1));
    else if (flags & WPP_HAS_GUID)
        line_guid(l, "guid", "0123456789abcdef0123456789abcdef", &record);
    if (flags & (WPP_HAS_TIME | WPP_HAS_PRECISE_TIME))
        bytes_number(&record, 8, (uint64_t)f->clock.last);
    if (flags & 0x20) {
        bytes_number(&record, 4, line_number(l, "tid", 4, 0));
        bytes_number(&record, 4, line_number(l, "pid", 4, 0));
    }
    line_hex(l, "hex", &record);
    if (!record.failed)
        store_number(record.at + WPP_SIZE, 2, line_number(l, "recsize", 2, record.length));
    place(f, l, &record);
}

void case_ulong_time(struct case_file *f, struct case_line *l)
{
    struct bytes record = {0};

    f->clock.last = line_time(l, "t", &f->clock, f->clock.last);
    bytes_number(&record, 4, (uint64_t)REC_MARK_ULONG_TIME << 24);
    bytes_number(&record, 4, line_number(l, "value", 4, 0));
    bytes_number(&record, 8, (uint64_t)f->clock.last);
    line_hex(l, "hex", &record);
    if (!record.failed)
        store_number(record.at, 2, line_number(l, "recsize", 2, record.length));
    place(f, l, &record);
}
