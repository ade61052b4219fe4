/* What kinds of records and providers are called, as far as Microsoft's documentation and public
 * decoders name them. */
#ifndef ETLHEAP_CONVERTERS_INFO_NAMES_H
#define ETLHEAP_CONVERTERS_INFO_NAMES_H

#include "model/census.h"

#define INFO_GUID_BYTES 37 /* with the NUL */

/* "Heap", "Process"; NULL for a group that nobody documents. Static memory. */
const char *info_group_name(unsigned group);

/* The type's name within its group: "alloc", "start"; NULL where it is not known. Static memory. */
const char *info_type_name(const struct eh_record_kind *kind);

/* "Microsoft-Windows-DotNETRuntime", or NULL. Static memory. */
const char *info_provider_name(const uint8_t guid[16]);

/* "222962ab-6180-4b88-a825-346b75f2a24a" */
void info_guid_text(const uint8_t guid[16], char into[INFO_GUID_BYTES]);

/* Whether the provider is the one of that GUID, given as text. */
bool info_provider_is(const struct eh_provider *p, const char *guid);

#define INFO_GUID_HEAP_SNAPSHOT "901d2afa-4ff6-46d7-8d0e-53645e1a47f5"
#define INFO_GUID_PERFVIEW      "a8a71ac1-040f-54a2-07ca-00a89b5ab761"

#endif
