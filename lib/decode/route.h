/* Which decoder a record belongs to. The same event comes with a hook id or, in converted files,
 * with its class GUID and opcode; both lead to the same route. container/FORMAT.md 4.7. */
#ifndef ETLHEAP_DECODE_ROUTE_H
#define ETLHEAP_DECODE_ROUTE_H

#include "container/etl_record.h"

enum route {
    ROUTE_NONE,
    ROUTE_HEAP,        /* hook group 0x10 */
    ROUTE_HEAP_CLASS,  /* the heap GUID in a FULL, INSTANCE or EVENT_HEADER record */
    ROUTE_PROCESS,
    ROUTE_THREAD,
    ROUTE_THREAD_NAME,
    ROUTE_SWITCH,
    ROUTE_IMAGE,
    ROUTE_PDB,
    ROUTE_VOLUME,
    ROUTE_STACK,
    ROUTE_STACK_KEY,        /* a reference: the stack is what the key is defined as later */
    ROUTE_STACK_DEFINITION, /* of a key */
};

/* Sets *ret_type to the type (opcode) within the class. */
enum route route_record(const struct record *r, unsigned *ret_type);

/* The same for a record of which only the hook id is known. */
enum route route_hook(unsigned hook);

/* Types within the classes */
enum { TYPE_START = 1, TYPE_END = 2, TYPE_DC_START = 3, TYPE_DC_END = 4, TYPE_LOAD = 10 };

#endif
