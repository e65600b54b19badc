/* tests/doubles/mach/rights.c - names, references to them, and the arrays they come in.
 *
 * An entry per name. While its thread lives it is found by the thread; when the thread
 * ends, only those who hold a reference know it, and once nobody does, the next thread
 * gets the name.
 */
#include "fake_inside.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TASK_NAME 0x103
#define HOST_NAME 0x203
#define FIRST_NAME 0x1003
#define NAME_STEP 0x100
#define BUCKETS 4096
#define ARRAYS 64

mach_port_t mach_task_self_ = TASK_NAME;

struct entry {
    uint64_t thread;
    uint32_t references;
    uint32_t next_in_bucket; /* index + 1 */
    uint32_t list;           /* the last list of the real threads that had it */
    bool is_used, is_kept, is_dead;
};
static struct entry entries[FAKE_NAMES];
static uint32_t buckets[BUCKETS]; /* index + 1 */
static uint32_t freed[FAKE_NAMES], freed_count;
static uint32_t fresh; /* from here on no entry was ever used */
static uint32_t lists;
static uint64_t host_references;
static uint64_t refused;

static struct array {
    void *memory;
    size_t bytes;
} arrays[ARRAYS];

void fake_rights_reset(void)
{
    memset(entries, 0, fresh * sizeof *entries);
    memset(buckets, 0, sizeof buckets);
    memset(arrays, 0, sizeof arrays);
    freed_count = fresh = 0;
    host_references = refused = 0;
    for (size_t i = 0; i < fake_world.thread_count; i++)
        if (fake_world.threads[i].is_live && !fake_world.threads[i].is_foreign)
            fake_name_of(fake_world.threads[i].id, true);
}

/* ---- entries ------------------------------------------------------------------------ */

static mach_port_name_t name_at(uint32_t index)
{
    return FIRST_NAME + index * NAME_STEP;
}

static struct entry *entry_of(mach_port_name_t name)
{
    uint32_t index = (name - FIRST_NAME) / NAME_STEP;

    if (name < FIRST_NAME || index >= fresh || name_at(index) != name || !entries[index].is_used)
        return NULL;
    return &entries[index];
}

static uint32_t *bucket_of(uint64_t thread)
{
    return &buckets[thread % BUCKETS];
}

static struct entry *entry_for(uint64_t thread)
{
    for (uint32_t at = *bucket_of(thread); at; at = entries[at - 1].next_in_bucket)
        if (entries[at - 1].thread == thread)
            return &entries[at - 1];
    return NULL;
}

static void leave_bucket(struct entry *entry)
{
    uint32_t own = (uint32_t)(entry - entries) + 1;
    uint32_t *at = bucket_of(entry->thread);

    while (*at != own)
        at = &entries[*at - 1].next_in_bucket;
    *at = entry->next_in_bucket;
}

static struct entry *new_entry(uint64_t thread, bool is_kept)
{
    if (freed_count == 0 && fresh == FAKE_NAMES)
        fake_die("out of names");
    uint32_t index = freed_count ? freed[--freed_count] : fresh++;
    uint32_t *bucket = bucket_of(thread);
    entries[index] = (struct entry){
        .thread = thread, .next_in_bucket = *bucket, .is_used = true, .is_kept = is_kept};
    *bucket = index + 1;
    return &entries[index];
}

static void free_if_unused(struct entry *entry)
{
    if (entry->references > 0 || entry->is_kept)
        return;
    if (!entry->is_dead)
        leave_bucket(entry);
    entry->is_used = false;
    freed[freed_count++] = (uint32_t)(entry - entries);
}

static struct entry *entry_made_for(uint64_t thread, bool is_kept)
{
    struct entry *entry = entry_for(thread);

    return entry ? entry : new_entry(thread, is_kept);
}

mach_port_name_t fake_name_of(uint64_t id, bool is_kept)
{
    return name_at((uint32_t)(entry_made_for(id, is_kept) - entries));
}

mach_port_name_t fake_copy_out(uint64_t id, bool is_kept)
{
    struct entry *entry = entry_made_for(id, is_kept);

    entry->references++;
    return name_at((uint32_t)(entry - entries));
}

void fake_thread_ended(uint64_t id)
{
    struct entry *entry = entry_for(id);

    if (!entry)
        return;
    leave_bucket(entry);
    entry->is_dead = true;
    entry->is_kept = false;
    free_if_unused(entry);
}

/* ---- using a name --------------------------------------------------------------------- */

void fake_check_task(mach_port_t task, const char *function)
{
    if (task != TASK_NAME)
        fake_die("%s: %#x is not mach_task_self()", function, task);
}

static struct entry *known(mach_port_name_t name, const char *function)
{
    struct entry *entry = entry_of(name);

    if (name == TASK_NAME)
        fake_die("%s: %#x is mach_task_self(), not a thread", function, name);
    if (!entry)
        fake_die("%s: nothing has the name %#x", function, name);
    return entry;
}

uint64_t fake_thread_of(mach_port_name_t name, const char *function)
{
    if (!MACH_PORT_VALID(name))
        return 0;
    struct entry *entry = known(name, function);
    if (entry->is_dead)
        return 0;
    uint64_t thread = entry->thread;
    if (entry->references == 0 && thread != fake_self())
        fake_die("%s: no right to %#x, thread %llu", function, name, (unsigned long long)thread);
    if (!fake_world.is_scripted && !fake_live_exists(thread)) {
        fake_thread_ended(thread);
        return 0;
    }
    return thread;
}

unsigned fake_thread_port(uint64_t id)
{
    fake_lock();
    struct entry *entry = entry_for(id);
    unsigned name = entry ? name_at((uint32_t)(entry - entries)) : 0;
    fake_unlock();
    return name;
}

uint64_t fake_references(uint64_t id)
{
    fake_lock();
    struct entry *entry = entry_for(id);
    uint64_t references = entry ? entry->references : 0;
    fake_unlock();
    return references;
}

struct fake_outstanding fake_outstanding(void)
{
    struct fake_outstanding sum = {.rights = host_references, .refused = refused};

    fake_lock();
    for (uint32_t i = 0; i < fresh; i++)
        if (entries[i].is_used && entries[i].references > 0) {
            sum.rights += entries[i].references;
            sum.names++;
        }
    for (int i = 0; i < ARRAYS; i++)
        sum.arrays += arrays[i].memory != NULL;
    sum.suspensions = fake_suspended();
    fake_unlock();
    return sum;
}

/* ---- giving back ------------------------------------------------------------------------ */

static kern_return_t give_back(mach_port_name_t name, uint32_t count, const char *function)
{
    if (!MACH_PORT_VALID(name))
        return KERN_INVALID_NAME;
    if (name == HOST_NAME) {
        if (host_references < count)
            fake_die("%s: mach_host_self() was given back already", function);
        host_references -= count;
        return KERN_SUCCESS;
    }
    struct entry *entry = known(name, function);
    if (entry->references < count)
        fake_die("%s: over-release of %#x, thread %llu, of which %u references are ours%s",
                 function, name, (unsigned long long)entry->thread, entry->references,
                 entry->is_kept ? " (the last one is libpthread's)" : "");
    entry->references -= count;
    free_if_unused(entry);
    return KERN_SUCCESS;
}

kern_return_t mach_port_deallocate(ipc_space_t task, mach_port_name_t name)
{
    int code = fake_enter(FAKE_PORT_DEALLOCATE);

    fake_check_task(task, "mach_port_deallocate");
    kern_return_t result = give_back(name, 1, "mach_port_deallocate");
    if (code != FAKE_NO_CODE) {
        refused++;
        result = code;
    }
    fake_leave();
    return result;
}

kern_return_t mach_port_mod_refs(ipc_space_t task, mach_port_name_t name, mach_port_right_t right,
                                 mach_port_delta_t delta)
{
    int code = fake_enter(FAKE_PORT_MOD_REFS);
    kern_return_t result = KERN_SUCCESS;

    fake_check_task(task, "mach_port_mod_refs");
    struct entry *entry = known(name, "mach_port_mod_refs");
    if (right != (entry->is_dead ? MACH_PORT_RIGHT_DEAD_NAME : MACH_PORT_RIGHT_SEND))
        fake_die("mach_port_mod_refs: %#x is no right of kind %u", name, right);
    if (code != FAKE_NO_CODE) {
        result = code;
        refused += delta < 0;
    }
    if (delta < 0)
        give_back(name, (uint32_t)-delta, "mach_port_mod_refs");
    else if (code == FAKE_NO_CODE)
        entry->references += (uint32_t)delta;
    fake_leave();
    return result;
}

/* ---- asking about names ------------------------------------------------------------------ */

static mach_port_type_t type_of(const struct entry *entry)
{
    return entry->is_dead ? MACH_PORT_TYPE_DEAD_NAME : MACH_PORT_TYPE_SEND;
}

kern_return_t mach_port_get_refs(ipc_space_read_t task, mach_port_name_t name,
                                 mach_port_right_t right, mach_port_urefs_t *references)
{
    int code = fake_enter(FAKE_PORT_GET_REFS);
    struct entry *entry = entry_of(name);

    fake_check_task(task, "mach_port_get_refs");
    if (code == FAKE_NO_CODE)
        code = entry ? KERN_SUCCESS : KERN_INVALID_NAME;
    if (code == KERN_SUCCESS)
        *references = MACH_PORT_TYPE(right) == type_of(entry)
                          ? entry->references + (entry->is_kept ? 1 : 0)
                          : 0;
    fake_leave();
    return code;
}

kern_return_t mach_port_type(ipc_space_read_t task, mach_port_name_t name, mach_port_type_t *type)
{
    int code = fake_enter(FAKE_PORT_TYPE);
    struct entry *entry = entry_of(name);

    fake_check_task(task, "mach_port_type");
    if (code == FAKE_NO_CODE)
        code = entry ? KERN_SUCCESS : KERN_INVALID_NAME;
    if (code == KERN_SUCCESS)
        *type = type_of(entry);
    fake_leave();
    return code;
}

static mach_msg_type_number_t count_names(void)
{
    mach_msg_type_number_t count = 0;

    for (uint32_t i = 0; i < fresh; i++)
        count += entries[i].is_used;
    return count;
}

kern_return_t mach_port_names(ipc_space_t task, mach_port_name_array_t *names,
                              mach_msg_type_number_t *name_count, mach_port_type_array_t *types,
                              mach_msg_type_number_t *type_count)
{
    int code = fake_enter(FAKE_PORT_NAMES);

    fake_check_task(task, "mach_port_names");
    if (code == FAKE_NO_CODE) {
        mach_msg_type_number_t count = count_names(), at = 0;
        *name_count = *type_count = count;
        *names = fake_array(count * sizeof **names);
        *types = fake_array(count * sizeof **types);
        for (uint32_t i = 0; i < fresh; i++)
            if (entries[i].is_used) {
                (*names)[at] = name_at(i);
                (*types)[at++] = type_of(&entries[i]);
            }
        code = KERN_SUCCESS;
    }
    fake_leave();
    return code;
}

/* ---- arrays -------------------------------------------------------------------------------- */

void *fake_array(size_t bytes)
{
    for (int i = 0; i < ARRAYS; i++) {
        if (arrays[i].memory)
            continue;
        void *memory = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            fake_die("no memory for a list");
        arrays[i] = (struct array){memory, bytes};
        return memory;
    }
    fake_die("%d lists were never given back", ARRAYS);
}

kern_return_t vm_deallocate(vm_map_t task, vm_address_t address, vm_size_t size)
{
    int code = fake_enter(FAKE_VM_DEALLOCATE);
    int i = 0;

    fake_check_task(task, "vm_deallocate");
    while (i < ARRAYS && (!arrays[i].memory || (vm_address_t)arrays[i].memory != address))
        i++;
    if (i == ARRAYS)
        fake_die("vm_deallocate: %#lx was not handed out, or was given back",
                 (unsigned long)address);
    if (arrays[i].bytes != size)
        fake_die("vm_deallocate: %lu bytes of %zu", (unsigned long)size, arrays[i].bytes);
    munmap(arrays[i].memory, size);
    arrays[i] = (struct array){0};
    refused += code != FAKE_NO_CODE;
    fake_leave();
    return code == FAKE_NO_CODE ? KERN_SUCCESS : code;
}

/* ---- handing out ----------------------------------------------------------------------------- */

static mach_msg_type_number_t list_script(thread_act_array_t threads)
{
    mach_msg_type_number_t count = 0;

    for (size_t i = 0; i < fake_world.thread_count; i++) {
        struct fake_thread *thread = &fake_world.threads[i];
        if (!thread->is_live)
            continue;
        if (thread->exits_in_list) {
            threads[count++] = thread->place_in_list;
            fake_thread_exit(thread->id);
        } else {
            threads[count++] = fake_copy_out(thread->id, !thread->is_foreign);
        }
    }
    return count;
}

/* Names of threads that are not there any more die now: nobody told us when they ended. */
static void bury_the_gone(void)
{
    for (uint32_t i = 0; i < fresh; i++)
        if (entries[i].is_used && !entries[i].is_dead && entries[i].list != lists)
            fake_thread_ended(entries[i].thread);
}

static void list_live(thread_act_array_t threads, const uint64_t *tids, size_t count)
{
    lists++;
    for (size_t i = 0; i < count; i++) {
        threads[i] = fake_copy_out(tids[i], true);
        entry_of(threads[i])->list = lists;
    }
    bury_the_gone();
}

static void list(thread_act_array_t *threads, mach_msg_type_number_t *count)
{
    static uint64_t tids[FAKE_NAMES]; /* the lock is held */

    if (fake_world.is_scripted) {
        *count = (mach_msg_type_number_t)fake_times().threads;
        *threads = fake_array(*count * sizeof **threads);
        list_script(*threads);
        return;
    }
    size_t there = fake_live_list(tids, FAKE_NAMES);
    *count = (mach_msg_type_number_t)(there < FAKE_NAMES ? there : FAKE_NAMES);
    *threads = fake_array(*count * sizeof **threads);
    list_live(*threads, tids, *count);
}

kern_return_t task_threads(task_inspect_t task, thread_act_array_t *threads,
                           mach_msg_type_number_t *count)
{
    int code = fake_enter(FAKE_TASK_THREADS);

    fake_check_task(task, "task_threads");
    if (code == FAKE_NO_CODE) {
        list(threads, count);
        code = KERN_SUCCESS;
    } else { /* what is not the caller's must not be touched */
        *threads = (thread_act_array_t)(uintptr_t)0xdead0000dead0000;
        *count = 77777;
    }
    fake_leave();
    return code;
}

mach_port_t mach_thread_self(void)
{
    fake_enter(FAKE_THREAD_SELF);
    mach_port_t name = fake_copy_out(fake_self(), true);
    fake_leave();
    return name;
}

mach_port_t mach_host_self(void)
{
    fake_enter(FAKE_HOST_SELF);
    host_references++;
    fake_leave();
    return HOST_NAME;
}
