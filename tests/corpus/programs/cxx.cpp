/* situations-cxx mutex|atomic: what C++ waits for. */
#include "stage.h"

#include <heartline/scope.hpp>

#include <atomic>
#include <cstring>
#include <mutex>

static std::mutex mutex;
static std::atomic<int> word(2);
static std::atomic<bool> is_held(false);
static gate door;

static void hold(void *)
{
    heartline::scope scope("hold the lock");
    scope_expect(0);
    std::lock_guard<std::mutex> guard(mutex);
    is_held = true;
    gate_wait(&door);
}

static void wait_for_mutex(void *)
{
    heartline::scope scope("wait for the lock");
    std::lock_guard<std::mutex> guard(mutex);
}

static void wait_for_word(void *)
{
    heartline::scope scope("wait for the word");
    word.wait(2);
}

static void stage_mutex()
{
    fact_address("lock", &mutex);
    begin();
    actor *holder = enter("holder", hold, nullptr);
    while (!is_held)
        sleep_ms(1);
    actor *waiter = enter("waiter", wait_for_mutex, nullptr);
    hear_stall_of("/waiter");
    gate_open(&door);
    leave(holder);
    leave(waiter);
}

static void stage_atomic()
{
    begin();
    actor *waiter = enter("waiter", wait_for_word, nullptr);
    hear_stall_of("/waiter");
    word = 0;
    word.notify_all();
    leave(waiter);
}

int main(int, char **arguments)
{
    gate_make(&door);
    if (std::strcmp(arguments[1], "mutex") == 0)
        stage_mutex();
    else
        stage_atomic();
    hear_recovered(1);
    end();
}
