#include "info_names.h"

#include "text.h"

#include <string.h>

const char *info_group_name(unsigned group)
{
    static const char *const names[] = {
        [0x00] = "Header",   [0x01] = "DiskIo",     [0x02] = "Memory",
        [0x03] = "Process",  [0x04] = "FileIo",     [0x05] = "Thread",
        [0x06] = "TcpIp",    [0x07] = "Job",        [0x08] = "UdpIp",
        [0x09] = "Registry", [0x0A] = "DbgPrint",   [0x0B] = "SystemConfig",
        [0x0E] = "Pool",     [0x0F] = "PerfInfo",   [0x10] = "Heap",
        [0x11] = "Object",   [0x12] = "Power",      [0x13] = "ModBound",
        [0x14] = "Image",    [0x15] = "Dpc",        [0x16] = "CacheManager",
        [0x17] = "CritSec",  [0x18] = "StackWalk",  [0x1A] = "ALPC",
        [0x1B] = "SplitIo",  [0x1C] = "ThreadPool", [0x1D] = "Hypervisor",
    };
    return group < sizeof names / sizeof *names ? names[group] : NULL;
}

struct hook_name {
    uint16_t hook;
    const char *name;
};

/* In order of their ids. */
static const struct hook_name hooks[] = {
    {0x0000, "session"},
    {0x0005, "group masks"},
    {0x0008, "rundown complete"},
    {0x0020, "group masks"},
    {0x0040, "PDB identity"},
    {0x0042, "build lab"},
    {0x0043, "binary path"},
    {0x0050, "partition info"},
    {0x010A, "read"},
    {0x010B, "write"},
    {0x010C, "read init"},
    {0x010D, "write init"},
    {0x010E, "flush"},
    {0x010F, "flush init"},
    {0x020A, "transition fault"},
    {0x020B, "demand zero fault"},
    {0x020C, "copy on write"},
    {0x020D, "guard page fault"},
    {0x020E, "hard page fault"},
    {0x020F, "access violation"},
    {0x0220, "hard fault"},
    {0x0262, "VirtualAlloc"},
    {0x0263, "VirtualFree"},
    {0x0264, "heap range rundown"},
    {0x0265, "heap range create"},
    {0x0266, "heap range reserve"},
    {0x0267, "heap range release"},
    {0x0268, "heap range destroy"},
    {0x0280, "VirtualAlloc at begin"},
    {0x0281, "VirtualAlloc at end"},
    {0x0301, "start"},
    {0x0302, "end"},
    {0x0303, "running at begin"},
    {0x0304, "running at end"},
    {0x030A, "image load"},
    {0x030B, "terminate"},
    {0x0320, "counters"},
    {0x0321, "counters at end"},
    {0x0327, "defunct"},
    {0x0420, "name"},
    {0x0423, "delete"},
    {0x0424, "rundown"},
    {0x0501, "start"},
    {0x0502, "end"},
    {0x0503, "running at begin"},
    {0x0504, "running at end"},
    {0x0524, "context switch"},
    {0x0532, "ready"},
    {0x0548, "name"},
    {0x060A, "send"},
    {0x060B, "receive"},
    {0x061A, "send IPv6"},
    {0x061B, "receive IPv6"},
    {0x080A, "send"},
    {0x080B, "receive"},
    {0x081A, "send IPv6"},
    {0x081B, "receive IPv6"},
    {0x0B0A, "processor"},
    {0x0B0B, "physical disk"},
    {0x0B0C, "logical disk"},
    {0x0B0D, "network"},
    {0x0B0E, "video"},
    {0x0B0F, "services"},
    {0x0B10, "power"},
    {0x0B15, "interrupts"},
    {0x0B16, "plug and play"},
    {0x0F2E, "sampled profile"},
    {0x0F33, "system call"},
    {0x0F34, "system call end"},
    {0x0F43, "interrupt"},
    {0x0F44, "deferred procedure"},
    {0x1402, "unload"},
    {0x1403, "loaded at begin"},
    {0x1404, "loaded at end"},
    {0x140A, "load"},
    {0x1421, "kernel base"},
    {0x1820, "stack"},
    {0x1822, "key created"},
    {0x1823, "key deleted"},
    {0x1824, "key at end"},
    {0x1825, "kernel stack by key"},
    {0x1826, "user stack by key"},
};

const char *info_type_name(const struct eh_record_kind *kind)
{
    if (kind->heap_kind < EH_UNKNOWN)
        return eh_kind_name((enum eh_kind)kind->heap_kind);
    for (size_t i = 0; kind->has_hook && i < sizeof hooks / sizeof *hooks; i++)
        if (hooks[i].hook == kind->hook)
            return hooks[i].name;
    return NULL;
}

struct provider_name {
    const char *guid;
    const char *name;
};

static const struct provider_name providers[] = {
    {"68fdd900-4a3e-11d1-84f4-0000f80464e3", "EventTrace"},
    {"3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c", "Process"},
    {"3d6fa8d1-fe05-11d0-9dda-00c04fd7ba7c", "Thread"},
    {"3d6fa8d3-fe05-11d0-9dda-00c04fd7ba7c", "PageFault"},
    {"3d6fa8d4-fe05-11d0-9dda-00c04fd7ba7c", "DiskIo"},
    {"90cbdc39-4a3e-11d1-84f4-0000f80464e3", "FileIo"},
    {"9a280ac0-c8e0-11d1-84e2-00c04fb998a2", "TcpIp"},
    {"bf3a50c5-a9c9-4988-a005-2df0b7c80f80", "UdpIp"},
    {"ae53722e-c863-11d2-8659-00c04fa321a1", "Registry"},
    {"01853a65-418f-4f36-aefc-dc0f1d2fd235", "SystemConfig"},
    {"ce1dbfb4-137e-4da6-87b0-3f59aa102cbc", "PerfInfo"},
    {"222962ab-6180-4b88-a825-346b75f2a24a", "Heap"},
    {"05867806-c246-43ef-a147-e17d2bdb1496", "Heap summary"},
    {"d781ca11-61c0-4387-b83d-af52d3d2dd6a", "Heap range"},
    {INFO_GUID_HEAP_SNAPSHOT, "Heap-Snapshot"},
    {"2cb15d1d-5fc1-11d2-abe1-00a0c911f518", "Image"},
    {"3ac66736-cc59-4cff-8115-8df50e39816b", "CritSec"},
    {"def2fe46-7bd6-4b80-bd94-f57fe20d0ce3", "StackWalk"},
    {"c861d0e2-a2c1-4d36-9f9c-970bab943a12", "ThreadPool"},
    {"45d8cccd-539f-4b72-a8b7-5c683142609a", "ALPC"},
    {"d837ca92-12b9-44a5-ad6a-3a65b3578aa8", "SplitIo"},
    {"6a399ae0-4bc6-4de9-870b-3657f8947e7e", "Lost event"},
    {"b3e675d7-2554-4f18-830b-2762732560de", "Image identity (merge)"},
    {"9b79ee91-b5fd-41c0-a243-4248e266e9d0", "System paths (merge)"},
    {"bbccf6c1-6cd1-48c4-80ff-839482e37671", "Event metadata (merge)"},
    {"e13c0d23-ccbc-4e12-931b-d9cc2eee27e4", "Microsoft-Windows-DotNETRuntime"},
    {"a669021c-c450-4609-a035-5af59af4df18", "Microsoft-Windows-DotNETRuntimeRundown"},
    {"763fd754-7086-4dfe-95eb-c01a46faf4ca", "Microsoft-Windows-DotNETRuntimePrivate"},
    {"8e9f5090-2d75-4d03-8a81-e5afbf85daf1", "System.Diagnostics.Eventing.FrameworkEventSource"},
    {"d44a2098-821f-5808-4cea-1e24e982ca37", "Microsoft-Build"},
    {INFO_GUID_PERFVIEW, "PerfView"},
    {"22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716", "Microsoft-Windows-Kernel-Process"},
    {"7dd42a49-5329-4832-8dfd-43d979153a88", "Microsoft-Windows-Kernel-Network"},
    {"edd08927-9cc4-4e65-b970-c2560fb5c289", "Microsoft-Windows-Kernel-File"},
    {"b675ec37-bdb6-4648-bc92-f3fdc74d3ca2", "Microsoft-Windows-Kernel-EventTracing"},
    {"a0c1853b-5c40-4b15-8766-3cf1c58f985a", "Microsoft-Windows-PowerShell"},
    {"1c95126e-7eea-49a9-a3fe-a378b03ddb4d", "Microsoft-Windows-DNS-Client"},
};

void info_guid_text(const uint8_t guid[16], char into[INFO_GUID_BYTES])
{
    char *at = into;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        at = put_hex_pair(at, guid[i]);
    }
    *at = 0;
}

const char *info_provider_name(const uint8_t guid[16])
{
    char text[INFO_GUID_BYTES];
    info_guid_text(guid, text);
    for (size_t i = 0; i < sizeof providers / sizeof *providers; i++)
        if (!strcmp(providers[i].guid, text))
            return providers[i].name;
    return NULL;
}

bool info_provider_is(const struct eh_provider *p, const char *guid)
{
    char text[INFO_GUID_BYTES];
    info_guid_text(p->guid, text);
    return !strcmp(text, guid);
}
