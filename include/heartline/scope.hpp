// heartline/scope.hpp - scopes as C++ objects (C++11 on), over heartline/scope.h.
//
//     heartline::scope phase("write checkpoint");
//     heartline::progress done("index files", files.size());
//     for (auto &file : files) { index(file); done.add(1); }
//
// An object ends its scope when it is destroyed, also by an exception. Keep it
// on the stack of the thread that made it.
#ifndef HEARTLINE_SCOPE_HPP
#define HEARTLINE_SCOPE_HPP

#include <heartline/scope.h>
#include <string>

namespace heartline
{

class scope
{
public:
    explicit __attribute__((always_inline)) scope(const char *label)
        : token_(begin(label, MONITOR_SCOPE_PLAIN, __builtin_frame_address(0)))
    {
    }
    explicit __attribute__((always_inline)) scope(const std::string &label)
        : token_(begin(label.c_str(), MONITOR_SCOPE_PLAIN, __builtin_frame_address(0)))
    {
    }
    ~scope() { end(&token_); }
    scope(const scope &) = delete;
    scope &operator=(const scope &) = delete;

protected:
    explicit scope(const monitor_scope_token &token) : token_(token) {}
#ifndef HEARTLINE_DISABLE
    static __attribute__((always_inline)) monitor_scope_token begin(const char *label,
                                                                    unsigned kind,
                                                                    const void *frame)
    {
        return monitor_scope_begin_(label, kind, frame);
    }
    static void end(const monitor_scope_token *token)
    {
        monitor_scope_end_(token);
    }
#else
    static monitor_scope_token begin(const char *, unsigned, const void *)
    {
        return monitor_scope_token();
    }
    static void end(const monitor_scope_token *) {}
#endif

private:
    const monitor_scope_token token_;
};

// Legitimate waiting, see scope_wait.
class wait : public scope
{
public:
    explicit __attribute__((always_inline)) wait(const char *label)
        : scope(begin(label, MONITOR_SCOPE_WAITING, __builtin_frame_address(0)))
    {
    }
};

// A scope with a counter, see scope_push_progress.
class progress
{
public:
    explicit __attribute__((always_inline)) progress(const char *label, uint64_t total = 0)
        : both_(begin(label, total, __builtin_frame_address(0)))
    {
    }
    progress(const progress &) = delete;
    progress &operator=(const progress &) = delete;
#ifndef HEARTLINE_DISABLE
    ~progress()
    {
        monitor_scope_end_(&both_.token);
    }
    void add(uint64_t n) const
    {
        monitor_progress_add_(both_.progress, n);
    }
    void set(uint64_t current, uint64_t total = 0) const
    {
        monitor_progress_set(both_.progress, current, total);
    }
#else
    void add(uint64_t) const {}
    void set(uint64_t, uint64_t = 0) const {}
#endif
    // A plain value that workers may copy and outlive this object with.
    scope_progress handle() const
    {
        return both_.progress;
    }

private:
    static __attribute__((always_inline)) monitor_progress_token begin(const char *label,
                                                                       uint64_t total,
                                                                       const void *frame)
    {
#ifndef HEARTLINE_DISABLE
        return monitor_scope_begin_progress_(label, total, frame);
#else
        (void)label, (void)total, (void)frame;
        return monitor_progress_token();
#endif
    }
    const monitor_progress_token both_;
};

} // namespace heartline
#endif
