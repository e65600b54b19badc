// A pool of workers in C++: scopes as objects, which an exception ends as well; progress that all
// threads share; a wait that is declared. Runs for two seconds; try it with HEARTLINE_INTERVAL=1s.
#include <heartline/monitor.h>
#include <heartline/scope.hpp>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <iostream>
#include <mutex>
#include <queue>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

class job_queue
{
public:
    void put(int job)
    {
        std::lock_guard<std::mutex> hold(lock_);
        jobs_.push(job);
        changed_.notify_one();
    }

    void close()
    {
        std::lock_guard<std::mutex> hold(lock_);
        is_closed_ = true;
        changed_.notify_all();
    }

    // False when there is none, and will be none.
    bool take(int &job)
    {
        heartline::wait idle("next job"); // a worker without work is not stuck
        std::unique_lock<std::mutex> hold(lock_);
        changed_.wait(hold, [this] { return is_closed_ || !jobs_.empty(); });
        if (jobs_.empty())
            return false;
        job = jobs_.front();
        jobs_.pop();
        return true;
    }

private:
    std::mutex lock_;
    std::condition_variable changed_;
    std::queue<int> jobs_;
    bool is_closed_ = false;
};

static void run(int job)
{
    heartline::scope phase("job " + std::to_string(job)); // ends here, also by the exception
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
    if (job % 25 == 0)
        throw std::runtime_error("job " + std::to_string(job) + " has failed, as some do");
}

static void work(job_queue &jobs, scope_progress done)
{
    int job;

    while (jobs.take(job)) {
        try {
            run(job);
        } catch (const std::exception &error) {
            std::cout << error.what() << std::endl;
        }
        scope_progress_add(done, 1);
    }
}

int main()
{
    const int count = 100;
    job_queue jobs;
    std::vector<std::thread> workers;

    monitor_start();
    heartline::progress done("run jobs", count);
    for (int i = 0; i < 2; i++)
        workers.emplace_back(work, std::ref(jobs), done.handle());
    for (int job = 1; job <= count; job++)
        jobs.put(job);
    jobs.close();
    for (auto &worker : workers)
        worker.join();
}
