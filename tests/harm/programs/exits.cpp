// Ends in the way that its argument names, with the monitor on or, by HEARTLINE=off,
// not. Says when it began to end, and then a letter for each destructor and handler
// that runs, all of which use scopes.
#include "../patience.h"

#include <heartline/monitor.h>
#include <heartline/scope.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <thread>
#include <unistd.h>

namespace
{

void say(const char *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(99);
}

void say_that_it_ends()
{
    char text[32];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "%lld\n", now.tv_sec * 1000000000LL + now.tv_nsec);
    say(text);
}

class talker
{
public:
    explicit talker(const char *letter) : letter_(letter) { use_scopes(); }
    ~talker()
    {
        use_scopes();
        say(letter_);
    }
    void exist() const {}

private:
    void use_scopes() const
    {
        heartline::scope outer("talker");
        scope_push(letter_);
        for (int i = 0; i < 100; i++) {
            SCOPE("a hundred times");
        }
        monitor_beat();
        scope_pop();
    }
    const char *letter_;
};

talker before_main("a");
thread_local talker of_thread("b");

void stop_before_the_library() // registered behind it, so it runs before it
{
    say(stop_at_last(monitor_stop) == 0 ? "c" : "C");
}

void stop_after_the_library()
{
    say(stop_at_last(monitor_stop) == 0 ? "d" : "D");
}

void quickly()
{
    SCOPE("quickly");
    say("e");
}

std::atomic<bool> is_busy;

void work()
{
    for (;;) {
        SCOPE("work");
        is_busy = true;
    }
}

void end_in_another_thread()
{
    std::thread(work).detach();
    std::thread([] {
        SCOPE("ends everything");
        while (!is_busy)
            std::this_thread::yield();
        say_that_it_ends();
        exit(7);
    }).detach();
    for (;;)
        pause();
}

int end(const char *how)
{
    if (strcmp(how, "thread") == 0)
        end_in_another_thread();
    say_that_it_ends();
    if (strcmp(how, "stop") == 0)
        return stop_at_last(monitor_stop) == 0 ? 4 : 98;
    if (strcmp(how, "exit") == 0)
        exit(5);
    if (strcmp(how, "_exit") == 0)
        _exit(6);
    if (strcmp(how, "quick_exit") == 0)
        quick_exit(8);
    if (strcmp(how, "abort") == 0)
        abort();
    return 3;
}

} // namespace

int main(int count, char **arguments)
{
    const char *how = count == 2 ? arguments[1] : "";
    bool stops_itself = strcmp(how, "atexit") == 0;
    alarm(60);
    of_thread.exist();
    if (stops_itself)
        atexit(stop_after_the_library);
    at_quick_exit(quickly);
    if (monitor_start() != 0)
        return 99;
    if (stops_itself)
        atexit(stop_before_the_library);
    static talker after_start("f");
    SCOPE("main");
    return end(how);
}
