# What the Ruby programs share: how they talk to the matrix.

$stdout.sync = true
CLIENTS = ENV.fetch("CLIENTS").to_i
ROUNDS = ENV.fetch("ROUNDS").to_i

def same(got, expected)
  return if got == expected

  raise "expected #{expected.inspect[0, 80]}, got #{got.inspect[0, 80]}"
end

def raises(kind)
  yield
rescue kind
  nil
else
  raise "no #{kind}"
end

def hold(label)
  puts "hold #{label}"
  $stdin.gets
end

def token(client, number = 0)
  "client #{client} value #{number}"
end

# One thread for each client; the first error is raised.
def in_threads
  threads = CLIENTS.times.map { |me| Thread.new { yield me } }
  threads.each { |thread| thread.report_on_exception = false }
  threads.each(&:join)
end

def main(features, version)
  puts "version #{version}"
  work = features[ARGV.last.to_sym]
  return puts("n/a it has no such thing") unless work

  work.call
  puts "pass"
rescue StandardError => error
  warn error.full_message(highlight: false)
  puts "fail #{error.class} #{error.message.gsub(/\s+/, ' ')}"
ensure
  exit!(0)
end
