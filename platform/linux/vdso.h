/* platform/linux/vdso.h - the functions that the kernel maps into every process (vdso(7)). */
#ifndef HL_PLAT_VDSO_H
#define HL_PLAT_VDSO_H

/* The address of a function of that name, NULL = there is none, or no vDSO
 * (valgrind and emulators hide it). Takes no lock, asks no loader. */
void *hl_plat_vdso(const char *name);

#endif
