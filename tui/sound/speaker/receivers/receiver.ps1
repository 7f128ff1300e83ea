# Earmark's receiver for Windows PowerShell 5.1: plays what `earmark speaker` sends, with Windows' own sound player.
#
#   $EarmarkHost = 'user@host'
#   iex ((ssh $EarmarkHost earmark speaker --receiver powershell | Out-String) -replace '(?s)\A.*?(?=# Earmark)')
#
# Frames come as lines of base64, since this shell's pipes carry no bytes. Sound lives in memory, never in a file.

$Remote = 'earmark speaker --text'

function Read-Sound([string]$Base64, [string]$Codec) {
    $bytes = [Convert]::FromBase64String($Base64)
    if ($Codec -eq 'pcm') { return , $bytes }
    $from = New-Object IO.Compression.GZipStream((New-Object IO.MemoryStream(, $bytes)), [IO.Compression.CompressionMode]::Decompress)
    $to = New-Object IO.MemoryStream
    $from.CopyTo($to)
    return , $to.ToArray()
}

function New-Wave([byte[]]$Frames, [int]$First, [int]$Last, [int]$Rate) {
    $size = 2 * ($Last - $First)
    $stream = New-Object IO.MemoryStream
    $wave = New-Object IO.BinaryWriter($stream)
    $wave.Write([Text.Encoding]::ASCII.GetBytes('RIFF')); $wave.Write([int](36 + $size))
    $wave.Write([Text.Encoding]::ASCII.GetBytes('WAVEfmt ')); $wave.Write([int]16)
    $wave.Write([int16]1); $wave.Write([int16]1); $wave.Write([int]$Rate); $wave.Write([int](2 * $Rate))
    $wave.Write([int16]2); $wave.Write([int16]16)
    $wave.Write([Text.Encoding]::ASCII.GetBytes('data')); $wave.Write([int]$size)
    $wave.Write($Frames, 2 * $First, $size)
    $wave.Flush()
    $stream.Position = 0
    return $stream
}

function Send-Answer($Ssh, [string]$Line) {
    try { $Ssh.StandardInput.WriteLine($Line) } catch { } # the connection is gone: seen where one reads from it
}

function Start-Receiver([string]$Target) {
    $start = New-Object Diagnostics.ProcessStartInfo
    $start.FileName = 'ssh'
    $start.Arguments = "-T -o ServerAliveInterval=5 -o ServerAliveCountMax=3 $Target `"$Remote`""
    $start.UseShellExecute = $false
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $ssh = [Diagnostics.Process]::Start($start)
    $ssh.StandardInput.NewLine = "`n"
    $ssh.StandardInput.AutoFlush = $true
    Send-Answer $ssh '' # a code page may put a mark before the first line
    $player = New-Object Media.SoundPlayer
    $pieces = @{}
    $playing = $null
    $ends = [DateTime]::MaxValue
    $begun = $false
    $over = $false
    try {
        $next = $ssh.StandardOutput.ReadLineAsync()
        while (-not $over) {
            # SoundPlayer does not say when it is done: its time tells.
            if ($playing -and [DateTime]::UtcNow -ge $ends) {
                Send-Answer $ssh "E $playing"
                $playing = $null
            }
            if (-not $next.Wait(10)) { continue }
            $line = $next.Result
            if ($null -eq $line) { break }
            $next = $ssh.StandardOutput.ReadLineAsync()
            if (-not $begun) {
                if ($line.Trim() -ne 'EARMARK-SOUND 1') { continue }
                $begun = $true
                Write-Host 'earmark: connected; sound goes out here. Keep this window open.'
                Send-Answer $ssh 'HELLO 1 powershell gzip,pcm'
                continue
            }
            $part = $line.Trim().Split(' ')
            switch -CaseSensitive ($part[0]) {
                'O' { $pieces[$part[1]] = @{ Rate = [int]$part[2]; Codec = $part[3]; Text = New-Object Text.StringBuilder; Frames = $null } }
                'D' {
                    if ($pieces.ContainsKey($part[1])) { [void]$pieces[$part[1]].Text.Append($part[2]) }
                    Send-Answer $ssh 'A'
                }
                'P' {
                    $player.Stop()
                    $playing = $null
                    $piece = $pieces[$part[2]]
                    if ($piece) {
                        try {
                            if ($null -eq $piece.Frames) { $piece.Frames = Read-Sound $piece.Text.ToString() $piece.Codec }
                            $player.Stream = New-Wave $piece.Frames ([int]$part[3]) ([int]$part[4]) $piece.Rate
                            $player.Load()
                            $player.Play()
                            $playing = $part[1]
                            $ends = [DateTime]::UtcNow.AddSeconds(([int]$part[4] - [int]$part[3]) / $piece.Rate)
                            Send-Answer $ssh "B $playing"
                        } catch {
                            Send-Answer $ssh "X $($part[1]) the sound player failed"
                        }
                    }
                }
                'S' { $player.Stop(); $player.Stream = $null; $playing = $null }
                'F' { $pieces.Remove($part[1]) }
                'R' { $player.Dispose(); $player = New-Object Media.SoundPlayer; $playing = $null; $pieces.Clear() }
                'K' { Send-Answer $ssh "K $($part[1])" }
                'Q' { Write-Host "earmark: $($line.Substring(2))"; $over = $true }
            }
        }
    } finally {
        $player.Dispose()
        $pieces.Clear()
        if (-not $ssh.HasExited) { $ssh.Kill() }
    }
    return $over
}

while (-not (Start-Receiver $EarmarkHost)) {
    Write-Host 'earmark: the connection ended; trying again in three seconds (Ctrl-C ends)'
    Start-Sleep 3
}
