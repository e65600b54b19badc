/* tests/mach/test_rights.c - names, references and arrays. */
#define _GNU_SOURCE
#include "helper.h"

Test(rights, a_list_gives_one_to_each_thread_and_its_own_memory)
{
    fake_reset();
    uint64_t worker = fake_thread_add("worker"), id;
    struct list list = list_now();

    cr_assert_eq(list.count, 2);
    cr_assert_eq(fake_outstanding().rights, 2);
    cr_assert_eq(fake_outstanding().arrays, 1);
    cr_assert_eq(identify(list.names[0], &id), KERN_SUCCESS);
    cr_assert_eq(id, fake_main());
    cr_assert_eq(identify(list.names[1], &id), KERN_SUCCESS);
    cr_assert_eq(id, worker);
    give_back(list);
    assert_nothing_outstanding();
}

Test(rights, to_one_thread_coalesce_under_one_name)
{
    mach_port_urefs_t references;

    fake_reset();
    struct list first = list_now(), second = list_now();
    cr_assert_eq(first.names[0], second.names[0]);
    cr_assert_eq(fake_outstanding().names, 1);
    cr_assert_eq(fake_outstanding().rights, 2);
    cr_assert_eq(fake_references(fake_main()), 2);
    cr_assert_eq(
        mach_port_get_refs(mach_task_self(), first.names[0], MACH_PORT_RIGHT_SEND, &references),
        KERN_SUCCESS);
    cr_assert_eq(references, 3, "ours, and libpthread's");
    give_back(first);
    cr_assert_eq(fake_references(fake_main()), 1);
    give_back(second);
    assert_nothing_outstanding();
}

Test(rights, to_oneself_are_one_more_each_time_but_not_from_libpthread)
{
    fake_reset();
    mach_port_t self = mach_thread_self();
    cr_assert_eq(mach_thread_self(), self);
    cr_assert_eq(fake_references(fake_main()), 2);
    cr_assert_eq(pthread_mach_thread_np(pthread_self()), self);
    cr_assert_eq(fake_references(fake_main()), 2);
    drop(self);
    drop(self);
    uint64_t id;
    cr_assert_eq(identify(pthread_mach_thread_np(pthread_self()), &id), KERN_SUCCESS,
                 "libpthread's reference is enough for oneself");
    assert_nothing_outstanding();
}

Test(rights, that_are_left_make_a_dead_name_that_has_to_be_given_back)
{
    mach_port_type_t type;
    uint64_t id;

    fake_reset();
    uint64_t worker = fake_thread_add("worker");
    mach_port_t right = right_to(worker);
    fake_thread_exit(worker);
    cr_assert_eq(mach_port_type(mach_task_self(), right, &type), KERN_SUCCESS);
    cr_assert_eq(type, MACH_PORT_TYPE_DEAD_NAME);
    cr_assert_eq(identify(right, &id), MACH_SEND_INVALID_DEST);
    fake_gone_code(KERN_TERMINATED);
    cr_assert_eq(identify(right, &id), KERN_TERMINATED);
    cr_assert_eq(fake_outstanding().rights, 1);
    drop(right);
    cr_assert_eq(mach_port_type(mach_task_self(), right, &type), KERN_INVALID_NAME);
    assert_nothing_outstanding();
}

Test(rights, names_are_recycled_at_once)
{
    fake_reset();
    uint64_t first = fake_thread_add("first");
    unsigned name = fake_thread_port(first);
    fake_thread_exit(first);
    uint64_t second = fake_thread_add("second");
    cr_assert_eq(fake_thread_port(second), name);
    cr_assert_neq(first, second, "but ids are not");
}

Test(rights, a_dead_name_that_is_held_is_not_recycled)
{
    fake_reset();
    uint64_t first = fake_thread_add("first");
    mach_port_t held = right_to(first);
    fake_thread_exit(first);
    cr_assert_neq(fake_thread_port(fake_thread_add("second")), held);
    drop(held);
    cr_assert_eq(fake_thread_port(fake_thread_add("third")), held);
}

Test(rights, nobody_keeps_the_name_of_a_foreign_thread)
{
    fake_reset();
    uint64_t foreign = fake_thread_add_foreign("exceptionserver");
    cr_assert_eq(fake_thread_port(foreign), 0);
    give_back(list_now());
    cr_assert_eq(fake_thread_port(foreign), 0);
    assert_nothing_outstanding();
}

Test(rights, a_thread_that_goes_while_it_is_listed_leaves_a_hole)
{
    static const unsigned holes[] = {MACH_PORT_NULL, MACH_PORT_DEAD};

    for (int i = 0; i < 2; i++) {
        unsigned hole = holes[i];
        fake_reset();
        fake_thread_exit_in_list(fake_thread_add("goes"), hole);
        struct list list = list_now();
        cr_assert_eq(list.count, 2);
        cr_assert_eq(list.names[1], hole);
        cr_assert_not(MACH_PORT_VALID(list.names[1]));
        give_back(list);
        list = list_now();
        cr_assert_eq(list.count, 1);
        give_back(list);
        assert_nothing_outstanding();
    }
}

Test(rights, all_names_can_be_listed)
{
    mach_port_name_array_t names;
    mach_port_type_array_t types;
    mach_msg_type_number_t name_count, type_count;

    fake_reset();
    fake_thread_add("worker");
    cr_assert_eq(mach_port_names(mach_task_self(), &names, &name_count, &types, &type_count),
                 KERN_SUCCESS);
    cr_assert_eq(name_count, 2);
    cr_assert_eq(type_count, 2);
    cr_assert_eq(types[1], MACH_PORT_TYPE_SEND);
    cr_assert_eq(fake_outstanding().arrays, 2);
    vm_deallocate(mach_task_self(), (vm_address_t)names, name_count * sizeof *names);
    vm_deallocate(mach_task_self(), (vm_address_t)types, type_count * sizeof *types);
    assert_nothing_outstanding();
}

/* ---- what kills ---------------------------------------------------------------- */

static void release_twice(void)
{
    fake_reset();
    mach_port_t self = mach_thread_self();
    mach_port_deallocate(mach_task_self(), self);
    mach_port_deallocate(mach_task_self(), self);
}

Test(rights, one_release_too_many_kills)
{
    assert_dies_saying("over-release", release_twice);
}

static void release_dead_twice(void)
{
    fake_reset();
    uint64_t worker = fake_thread_add("worker");
    mach_port_t right = right_to(worker);
    fake_thread_exit(worker);
    mach_port_deallocate(mach_task_self(), right);
    mach_port_deallocate(mach_task_self(), right);
}

Test(rights, one_release_too_many_of_a_dead_name_kills)
{
    assert_dies_saying("nothing has the name", release_dead_twice);
}

static void release_the_task(void)
{
    fake_reset();
    mach_port_deallocate(mach_task_self(), mach_task_self());
}

Test(rights, releasing_the_task_kills)
{
    assert_dies_saying("mach_task_self()", release_the_task);
}

static void use_without_a_right(void)
{
    uint64_t id;

    fake_reset();
    identify(fake_thread_port(fake_thread_add("worker")), &id);
}

Test(rights, using_a_name_without_one_kills)
{
    assert_dies_saying("no right to", use_without_a_right);
}

static void use_after_release(void)
{
    uint64_t id;

    fake_reset();
    mach_port_t name = right_to(fake_thread_add("worker"));
    mach_port_deallocate(mach_task_self(), name);
    identify(name, &id);
}

Test(rights, using_a_name_after_its_release_kills)
{
    assert_dies_saying("no right to", use_after_release);
}

static void deallocate_too_little(void)
{
    fake_reset();
    struct list list = list_now();
    vm_deallocate(mach_task_self(), (vm_address_t)list.names, list.count);
}

Test(arrays, the_wrong_size_kills)
{
    assert_dies_saying("bytes of", deallocate_too_little);
}

static void deallocate_twice(void)
{
    fake_reset();
    struct list list = list_now();
    give_back(list);
    vm_deallocate(mach_task_self(), (vm_address_t)list.names, list.count * sizeof *list.names);
}

Test(arrays, giving_one_back_twice_kills)
{
    assert_dies_saying("was not handed out", deallocate_twice);
}
