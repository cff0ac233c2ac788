#include "replay/checkpoint.h"

#include <algorithm>
#include <csignal>
#include <sched.h>
#include <sys/wait.h>

namespace retrograde {

namespace {

// The index of a pointer in a list, which it is added to where it is not there.
template <typename T> std::size_t index_of(std::vector<std::shared_ptr<T>> &list, const std::shared_ptr<T> &wanted) {
    const auto found = std::find(list.begin(), list.end(), wanted);
    if (found == list.end())
        list.push_back(wanted);
    return static_cast<std::size_t>(std::find(list.begin(), list.end(), wanted) - list.begin());
}

constexpr std::uint64_t as_thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

} // namespace

Checkpoint::~Checkpoint() {
    for (const Tracee &copy : copies_) {
        ::kill(copy.process(), SIGKILL);
        ::waitpid(copy.process(), nullptr, __WALL);
    }
}

std::shared_ptr<Checkpoint> Session::checkpoint() {
    auto made = std::shared_ptr<Checkpoint>(new Checkpoint);
    made->next_ = next_;
    made->told_ = told_;
    made->begun_ = begun_;
    made->passed_ = passed_;
    made->early_ = early_;
    made->match_ = match_;
    made->moved_ = moved_.size();
    made->data_of_ = data_of_;
    std::map<std::string, std::shared_ptr<SharedObject>> renamed;
    made->shared_ = shared_.copy(renamed);
    for (auto &[tid, task] : tasks_) {
        task.tracee.settle_after_call();
        Checkpoint::Thread thread{task.tracee.registers(),
                                  task.tracee.used_vectors(),
                                  task.tracee.tls(),
                                  index_of(made->spaces_, task.space),
                                  index_of(made->descriptors_, task.descriptors),
                                  task};
        made->threads_.push_back(std::move(thread));
    }
    // Whoever shares an address space shares its copy.
    for (std::size_t space = 0; space < made->spaces_.size(); space++) {
        const auto user = std::find_if(made->threads_.begin(), made->threads_.end(),
                                       [&](const Checkpoint::Thread &thread) { return thread.space == space; });
        Tracee copy = task(user->facts.tid).tracee.clone(CLONE_PARENT, 0, 0);
        if (!renamed.empty())
            AddressSpace::unshare(copy, renamed);
        made->copies_.push_back(copy);
        made->spaces_[space] = std::make_shared<AddressSpace>(*made->spaces_[space]);
    }
    for (auto &descriptors : made->descriptors_)
        descriptors = std::make_shared<Descriptors>(*descriptors);
    return made;
}

void Session::end_all() {
    std::set<pid_t> processes;
    for (const auto &[tid, task] : tasks_)
        processes.insert(task.tracee.process());
    for (pid_t process : processes)
        ::kill(process, SIGKILL);
    for (const auto &[tid, task] : tasks_)
        if (task.tracee.tid() != task.tracee.process())
            ::waitpid(task.tracee.tid(), nullptr, __WALL);
    for (pid_t process : processes)
        ::waitpid(process, nullptr, __WALL);
    tasks_.clear();
}

bool Session::is_outdated(const Checkpoint &checkpoint) const {
    return std::any_of(moved_.begin() + static_cast<std::ptrdiff_t>(checkpoint.moved_), moved_.end(),
                       [&](std::uint64_t event) {
                           return event < checkpoint.next_ || (event == checkpoint.next_ && event == checkpoint.told_);
                       });
}

void Session::restore(const Checkpoint &checkpoint) {
    end_all();
    passed_ = checkpoint.passed_;
    early_ = checkpoint.early_;
    match_ = checkpoint.match_;
    next_ = checkpoint.next_;
    told_ = checkpoint.told_;
    begun_ = checkpoint.begun_;
    data_of_ = checkpoint.data_of_;
    std::map<std::string, std::shared_ptr<SharedObject>> renamed;
    shared_ = checkpoint.shared_.copy(renamed);
    std::vector<std::shared_ptr<AddressSpace>> spaces;
    for (const auto &space : checkpoint.spaces_)
        spaces.push_back(std::make_shared<AddressSpace>(*space));
    std::vector<std::shared_ptr<Descriptors>> descriptors;
    for (const auto &open : checkpoint.descriptors_)
        descriptors.push_back(std::make_shared<Descriptors>(*open));

    std::map<std::size_t, Tracee> first_of_space;
    std::map<pid_t, Tracee> first_of_process; // by the process that was copied
    for (const Checkpoint::Thread &thread : checkpoint.threads_) {
        const pid_t original = thread.facts.tracee.process();
        std::optional<Tracee> made;
        if (auto known = first_of_process.find(original); known != first_of_process.end()) {
            made = known->second.clone(as_thread, 0, 0);
        } else if (auto space = first_of_space.find(thread.space); space != first_of_space.end()) {
            made = space->second.clone(CLONE_VM | CLONE_PARENT, 0, 0);
            first_of_process.emplace(original, *made);
        } else {
            Tracee copy = checkpoint.copies_[thread.space];
            made = copy.clone(CLONE_PARENT, 0, 0);
            if (!renamed.empty())
                AddressSpace::unshare(*made, renamed);
            first_of_space.emplace(thread.space, *made);
            first_of_process.emplace(original, *made);
        }
        Task task = thread.facts;
        task.tracee = *made;
        task.space = spaces[thread.space];
        task.descriptors = descriptors[thread.descriptors];
        task.armed.clear();
        tasks_.insert_or_assign(task.tid, std::move(task));
    }
    // Last of all, since making one thread moves another.
    for (const Checkpoint::Thread &thread : checkpoint.threads_) {
        Tracee &tracee = tasks_.at(thread.facts.tid).tracee;
        tracee.set_all_vectors(thread.fp_registers);
        tracee.set_registers(thread.registers);
        tracee.be_amid_exclusive_like(thread.facts.tracee);
        if (thread.tls != tracee.tls())
            tracee.set_tls(thread.tls);
    }
}

} // namespace retrograde
