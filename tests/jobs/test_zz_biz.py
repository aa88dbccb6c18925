import time
from tests.business_lake import build
from tests.other_engine import answer, connect
from paylake.contracts.questions import QUESTIONS
from tests.conftest import *
def test_x(spark):
    import shutil; shutil.rmtree('/tmp/fx/bizlake',ignore_errors=True)
    t=time.time()
    build(spark,'/tmp/fx/bizlake'); print('built',time.time()-t)
    c=connect('/tmp/fx/bizlake')
    for q in QUESTIONS:
        print('##',q.team,q.name)
        for r in answer(c,q.sql): print('   ',r)
