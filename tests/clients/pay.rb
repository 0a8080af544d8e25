# A Ruby client as shops have it: net/http, a limit on each read, the key in its own spelling, and
# every failure of the transport turned into an error of its own.
#
# pay.rb BASE_URL SECONDS [--key KEY] [--version N]: bodies come on the standard input, one a line;
# for each a line of JSON says what the shop would believe, and what came.
require 'json'
require 'net/http'
require 'openssl'
require 'uri'

base, seconds, *options = ARGV
option = ->(name) { options.include?(name) ? options[options.index(name) + 1] : nil }
key = option.call('--key')
version = option.call('--version')

# Version 2 nests its transaction; version 3 is flat, and a code beside S. tells of a failure.
def believed(answer)
  return 'error' if answer.key?('errors') || answer.dig('response', 'errors')
  return answer['transaction']['status'] if answer['transaction']

  answer['status'] || 'nothing'
end

uri = URI("#{base}/transactions/payments")
STDIN.each_line(chomp: true) do |body|
  request = Net::HTTP::Post.new(uri.path, 'Content-Type' => 'application/json')
  request.basic_auth(*ENV.fetch('SHOP').split(':', 2))
  request['Requestid'] = key if key
  request['X-Api-Version'] = version if version
  request.body = body
  http = Net::HTTP.new(uri.host, uri.port, nil)
  http.use_ssl = uri.scheme == 'https'
  http.open_timeout = 5
  http.read_timeout = seconds.to_f
  # It repeats nothing by itself.
  http.max_retries = 0
  begin
    response = http.start { |connection| connection.request(request) }
    said = { believed: believed(JSON.parse(response.body)), status: response.code.to_i, body: [response.body].pack('m0') }
  rescue Net::ReadTimeout
    said = { believed: 'timeout', status: 0, body: '' }
  rescue SystemCallError, IOError, OpenSSL::SSL::SSLError, JSON::ParserError => error
    said = { believed: "transport #{error.class}", status: 0, body: '' }
  end
  puts JSON.generate(said)
end
