#include "case_layouts.h"

#include <stddef.h>
#include <string.h>

#define DBGID_GUID  "b3e675d7-2554-4f18-830b-2762732560de"
#define SYSTEM_GUID "9b79ee91-b5fd-41c0-a243-4248e266e9d0"

#define EXTEND2  "heap:P size:P addr:P free:P committed:P reserved:P ucrs:4"
#define SNAP1    "heap:P free:P committed:P reserved:P flags:4"
#define SNAP2    SNAP1 " of_pid:4=@pid large_ucr:P free_list:4 ucr_length:4"
#define SUBSEG   "heap:P subsegment:P subsegment_size:P block_size:P"
#define COMMIT2  "heap:P block:P size:P caller:4"
#define PROC2    "key:P pid:4 parent:4 session:4 exit:4"
#define PROC4    PROC2 " dtb:P flags:4 sid:S name:A cmdline:W package:W app:W"
#define THREAD2A "pid:4 tid:4 stack_base:P stack_limit:P user_stack_base:P user_stack_limit:P "
#define THREAD3  THREAD2A "affinity:P win32_start:P teb:P tag:4 base_priority:1=8 " \
                 "page_priority:1=5 io_priority:1=2 thread_flags:1 "
#define IMAGE2A  "base:P size:P pid:4 checksum:4 stamp:4 "
#define IMAGE2B  "default_base:P=@base reserved1:4 reserved2:4 reserved3:4 reserved4:4 name:W"
#define SWITCH   "new:4 old:4 new_priority:1=8 old_priority:1=8 c_state:1 spare:1 wait_reason:1 " \
                 "wait_mode:1 state:1 ideal:1 wait_time:4 reserved:4"
#define REF      "for:T pid:4 tid:4 key:P"
#define KEY      "key:P frames:L"

/* The first row of a word is the one a case gets without version=. */
static const struct case_layout layouts[] = {
    {"alloc", "", 0x1021, FORM_SYSTEM, 2, NULL, "heap:P size:P addr:P source:4=2"},
    {"free", "", 0x1024, FORM_SYSTEM, 2, NULL, "heap:P addr:P source:4=2"},
    {"realloc", "", 0x1022, FORM_SYSTEM, 2, NULL,
     "heap:P new:P old:P newsize:P oldsize:P source:4=2"},
    {"create", "", 0x1020, FORM_SYSTEM, 3, NULL,
     "heap:P flags:4 reserved:P committed:P allocated:P"},
    {"create", "", 0x1020, FORM_SYSTEM, 2, NULL, "heap:P flags:4"},
    {"destroy", "", 0x1023, FORM_SYSTEM, 2, NULL, "heap:P"},
    {"extend", "", 0x1025, FORM_SYSTEM, 3, NULL, EXTEND2 " allocated:P"},
    {"extend", "", 0x1025, FORM_SYSTEM, 2, NULL, EXTEND2},
    {"contract", "", 0x102A, FORM_SYSTEM, 3, NULL, EXTEND2 " allocated:P"},
    {"contract", "", 0x102A, FORM_SYSTEM, 2, NULL, EXTEND2},
    {"snapshot", "", 0x1026, FORM_SYSTEM, 3, NULL, SNAP2 " allocated:P"},
    {"snapshot", "", 0x1026, FORM_SYSTEM, 2, NULL, SNAP2},
    {"snapshot", "", 0x1026, FORM_SYSTEM, 1, NULL, SNAP1},
    {"commit", "", 0x1033, FORM_SYSTEM, 2, NULL, COMMIT2},
    {"decommit", "", 0x1034, FORM_SYSTEM, 2, NULL, COMMIT2},
    {"subsegment_alloc", "", 0x102F, FORM_SYSTEM, 2, NULL, SUBSEG},
    {"subsegment_free", "", 0x1030, FORM_SYSTEM, 2, NULL, SUBSEG},
    {"subsegment_alloc_cache", "", 0x1031, FORM_SYSTEM, 2, NULL, SUBSEG},
    {"subsegment_free_cache", "", 0x1032, FORM_SYSTEM, 2, NULL, SUBSEG},
    {"subsegment_init", "", 0x1035, FORM_SYSTEM, 2, NULL,
     "heap:P subsegment:P block_size:P block_count:P affinity:4"},
    {"subsegment_activated", "", 0x1038, FORM_SYSTEM, 2, NULL, "heap:P subsegment:P"},
    {"affinity_enable", "", 0x1036, FORM_SYSTEM, 2, NULL, "heap:P bucket:4"},
    {"affinity_assign", "", 0x1039, FORM_SYSTEM, 2, NULL, "heap:P subsegment:P slot:4"},
    {"reuse_threshold_activated", "", 0x103A, FORM_SYSTEM, 2, NULL,
     "heap:P subsegment:P bucket:4"},
    {"lock", "", 0x102B, FORM_SYSTEM, 2, NULL, "heap:P"},
    {"unlock", "", 0x102C, FORM_SYSTEM, 2, NULL, "heap:P"},
    {"validate", "", 0x102D, FORM_SYSTEM, 2, NULL, "heap:P"},
    {"walk", "", 0x102E, FORM_SYSTEM, 2, NULL, "heap:P"},

    {"process", "terminate", 0x030B, FORM_SYSTEM, 2, NULL, "pid:4"},
    {"process", NULL, 0x0300, FORM_SYSTEM, 4, NULL, PROC4},
    {"process", NULL, 0x0300, FORM_SYSTEM, 0, NULL, "pid:P parent:P sid:S name:A"},
    {"process", NULL, 0x0300, FORM_SYSTEM, 1, NULL,
     "dtb:P pid:4 parent:4 session:4 exit:4 sid:S name:A"},
    {"process", NULL, 0x0300, FORM_SYSTEM, 2, NULL, PROC2 " sid:S name:A cmdline:W"},
    {"process", NULL, 0x0300, FORM_SYSTEM, 3, NULL, PROC2 " dtb:P sid:S name:A cmdline:W"},
    {"process", NULL, 0x0300, FORM_SYSTEM, 5, NULL, PROC4 " exit_time:8"},

    {"thread", NULL, 0x0500, FORM_SYSTEM, 4, NULL, THREAD3 "name:W"},
    {"thread", NULL, 0x0500, FORM_SYSTEM, 0, NULL, "tid:4 pid:4"},
    {"thread", "end", 0x0502, FORM_SYSTEM, 1, NULL, "pid:4 tid:4"},
    {"thread", NULL, 0x0500, FORM_SYSTEM, 1, NULL, THREAD2A "start:P win32_start:P wait_mode:1"},
    {"thread", NULL, 0x0500, FORM_SYSTEM, 2, NULL, THREAD2A "start:P win32_start:P teb:P tag:4"},
    {"thread", NULL, 0x0500, FORM_SYSTEM, 3, NULL, THREAD3 "name:w"},
    {"thread_name", "", 0x0548, FORM_PERFINFO, 2, NULL, "pid:4 tid:4 name:W"},
    {"cswitch", "", 0x0524, FORM_PERFINFO, 2, NULL, SWITCH},

    {"image", NULL, 0x1400, FORM_SYSTEM, 3, NULL,
     IMAGE2A "signature_level:1 signature_type:1 reserved0:2 " IMAGE2B},
    {"image", NULL, 0x1400, FORM_SYSTEM, 2, NULL, IMAGE2A "reserved0:4 " IMAGE2B},
    {"image", NULL, 0x1400, FORM_SYSTEM, 1, NULL, "base:P size:P pid:4 name:W"},
    {"image", NULL, 0x1400, FORM_SYSTEM, 0, NULL, "base:P size:P name:W"},
    {"image_id", "", 0, FORM_FULL, 2, DBGID_GUID, "base:P size:P pid:4 stamp:4 name:W"},
    {"dbgid", "", 36, FORM_FULL, 2, DBGID_GUID, "base:P pid:4 guid:G age:4=1 pdb:A"},
    {"volume", "", 35, FORM_FULL, 2, SYSTEM_GUID, "nt:W dos:W"},

    {"stack", "", 0x1820, FORM_PERFINFO, 2, NULL, "for:T pid:4 tid:4 frames:L"},
    {"stack_kernel", "", 0x1825, FORM_PERFINFO, 2, NULL, REF},
    {"stack_user", "", 0x1826, FORM_PERFINFO, 2, NULL, REF},
    {"stack_key_create", "", 0x1822, FORM_PERFINFO, 2, NULL, KEY},
    {"stack_key_delete", "", 0x1823, FORM_PERFINFO, 2, NULL, KEY},
    {"stack_key_rundown", "", 0x1824, FORM_PERFINFO, 2, NULL, KEY},

    {"virtual_alloc", "", 0x0262, FORM_PERFINFO, 2, NULL, "base:P size:P pid:4 flags:4=0x3000"},
    {"virtual_free", "", 0x0263, FORM_PERFINFO, 2, NULL, "base:P size:P pid:4 flags:4=0x8000"},

    {"hook", "", 0, FORM_SYSTEM, 2, NULL, "hex:H"},
    {"full", "", 0, FORM_FULL, 2, NULL, "hex:H"},
    {"instance", "", 0, FORM_INSTANCE, 2, NULL, "hex:H"},
    {"event", "", 0, FORM_EVENT, 0, NULL, "hex:H"},
    {"", "", 0, 0, 0, NULL, NULL},
};

/* The second word of process, thread and image lines, and the type it means. */
static const struct {
    const char *word, *second;
    uint8_t type;
} operations[] = {
    {"process", "start", 1}, {"process", "end", 2},   {"process", "dcstart", 3},
    {"process", "dcend", 4}, {"process", "defunct", 39},
    {"thread", "start", 1},  {"thread", "end", 2},    {"thread", "dcstart", 3},
    {"thread", "dcend", 4},  {"image", "load", 10},   {"image", "unload", 2},
    {"image", "dcstart", 3}, {"image", "dcend", 4},
};

static const struct {
    uint8_t group;
    const char *guid;
} groups[] = {
    {0x00, "68fdd900-4a3e-11d1-84f4-0000f80464e3"}, {0x02, "3d6fa8d3-fe05-11d0-9dda-00c04fd7ba7c"},
    {0x03, "3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c"}, {0x05, "3d6fa8d1-fe05-11d0-9dda-00c04fd7ba7c"},
    {0x0B, "01853a65-418f-4f36-aefc-dc0f1d2fd235"}, {0x0F, "ce1dbfb4-137e-4da6-87b0-3f59aa102cbc"},
    {0x10, "222962ab-6180-4b88-a825-346b75f2a24a"}, {0x14, "2cb15d1d-5fc1-11d2-abe1-00a0c911f518"},
    {0x18, "def2fe46-7bd6-4b80-bd94-f57fe20d0ce3"},
};

/* The hook of a row under a second word, 0xFFFF where the row does not have that word. */
static uint16_t hook_of(const struct case_layout *row, const char *second)
{
    if (row->second)
        return strcmp(row->second, second) == 0 ? row->hook : 0xFFFF;
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (strcmp(operations[i].word, row->word) == 0 &&
            strcmp(operations[i].second, second) == 0)
            return row->hook | operations[i].type;
    }
    return 0xFFFF;
}

const struct case_layout *case_find_layout(const char *word, const char *second, int version,
                                           uint16_t *ret_hook)
{
    const struct case_layout *found = NULL;
    for (const struct case_layout *row = layouts; *row->word; row++) {
        if (strcmp(row->word, word) != 0 || hook_of(row, second) == 0xFFFF)
            continue;
        if (!found || row->version == version) {
            found = row;
            *ret_hook = hook_of(row, second);
            if (row->version == version)
                break;
        }
    }
    return found;
}

const char *case_group_guid(uint16_t hook)
{
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if (groups[i].group == hook >> 8)
            return groups[i].guid;
    }
    return NULL;
}
