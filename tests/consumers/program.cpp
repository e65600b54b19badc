// The same in C++: scopes as objects, also left by an exception.
#include <heartline/monitor.h>
#include <heartline/scope.hpp>
#include <iostream>
#include <stdexcept>

static void fail_in_scope()
{
    heartline::scope phase(std::string("fail"));
    throw std::runtime_error("as planned");
}

int main()
{
    if (monitor_start() != 0)
        return 1;
    heartline::progress done("say the version", 1);
    try {
        fail_in_scope();
        return 2;
    } catch (const std::runtime_error &) {
        std::cout << monitor_version_string() << std::endl;
    }
    done.add(1);
    return monitor_version() == MONITOR_VERSION ? 0 : 3;
}
