/* platform/linux/module.h - which function of a loaded module an address lies in.
 *
 * Found without the loader, whose lock may be held by a thread that is being
 * judged: the module's ELF header is looked for below the address, and function
 * bounds are read in its table for unwinding (.eh_frame_hdr). Memory is only
 * copied, never believed to be there.
 */
#ifndef HL_PLAT_LINUX_MODULE_H
#define HL_PLAT_LINUX_MODULE_H

#include <stdbool.h>
#include <stdint.h>

struct hl_module {
    uint64_t low, high;    /* its code */
    uint64_t functions_at; /* the header of the table; 0 = it has none */
    uint32_t functions_count;
};

/* The module with code at `pc`. */
bool hl_module_find(uint64_t pc, struct hl_module *module);

/* True for a place in the module's code to which a call returns. */
bool hl_module_is_return(const struct hl_module *module, uint64_t address);

/* The bounds of the function around a return address; only that very address where
 * they are not known. */
void hl_module_function(const struct hl_module *module, uint64_t address, uint64_t *low,
                        uint64_t *high);

#endif
